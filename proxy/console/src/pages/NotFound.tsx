import { Empty } from "../components/parts";

export function NotFound() {
  return (
    <Empty title="There is no such page">
      <p>
        The pages are in the header; <a href="/">the overview</a> is a good place to begin.
      </p>
    </Empty>
  );
}
