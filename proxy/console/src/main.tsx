import "./styles/theme.css";
import "./styles/parts.css";
import "./styles/shell.css";

import { render } from "preact";

import { App } from "./App";

render(<App />, document.getElementById("console")!);
