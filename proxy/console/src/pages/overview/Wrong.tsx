/** What is wrong with Driftium itself, where anything is. */

import { useQuery } from "../../api/query";
import { Code } from "../../components/Copy";
import { Note } from "../../components/parts";
import { problems } from "../set-up/parts";

export function Wrong() {
  const { data } = useQuery("/api/health", { on: ["worker"], every: 10 });
  const found = data ? problems(data).filter((part) => part.state === "bad") : [];
  if (!found.length) return null;
  return (
    <Note kind="warning">
      <div class="stack">
        {found.map((part) => (
          <div key={part.name} class="stack">
            <p>
              <b>{part.name}:</b> {part.message}
            </p>
            {part.mend && <Code text={part.mend} what={`command that mends ${part.name}`} />}
          </div>
        ))}
        <a href="/set-up">Everything about the set-up</a>
      </div>
    </Note>
  );
}
