/** The console: a header, and the page that the address names. */

import { LocationProvider, Route, Router } from "preact-iso";

import { Header } from "./components/Header";
import { Lost } from "./components/Lost";
import { TokenDialog } from "./components/TokenDialog";
import { Compare } from "./pages/Compare";
import { NotFound } from "./pages/NotFound";
import { Overview } from "./pages/Overview";
import { Playground } from "./pages/Playground";
import { RootCause } from "./pages/RootCause";
import { SetUp } from "./pages/SetUp";
import { Tables } from "./pages/Tables";

export function App() {
  return (
    <LocationProvider>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <Lost />
        <Router>
          <Route path="/" component={Overview} />
          <Route path="/compare" component={Compare} />
          <Route path="/playground" component={Playground} />
          <Route path="/root-cause" component={RootCause} />
          <Route path="/tables" component={Tables} />
          <Route path="/set-up" component={SetUp} />
          <Route default component={NotFound} />
        </Router>
      </main>
      <TokenDialog />
    </LocationProvider>
  );
}
