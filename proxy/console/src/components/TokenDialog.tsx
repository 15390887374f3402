/** Asks once for the admin token, where the server has one. */

import { useEffect, useState } from "preact/hooks";

import { isToken, keepToken, onTokenWanted, token } from "../api/token";
import { Dialog } from "./Dialog";
import { Field, Note } from "./parts";

export function TokenDialog() {
  const [wanted, want] = useState(false);
  const [value, set] = useState("");
  const [wrong, setWrong] = useState(false);
  useEffect(() => onTokenWanted(want), []);
  if (!wanted) return null;
  const refused = token() !== null;
  return (
    <Dialog title="This Driftium asks for its admin token">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = value.trim();
          setWrong(!isToken(given));
          if (!isToken(given)) return;
          keepToken(given);
          set("");
        }}
      >
        {refused && !wrong && <Note kind="error">The token that was used is not the server's. Check it and try again.</Note>}
        {wrong && <Note kind="error">A token is made of printable ASCII characters, without spaces. Was more copied than it?</Note>}
        <p>
          It is <code>server.admin_token</code> in the server's config.toml, or <code>DRIFTIUM_SERVER__ADMIN_TOKEN</code>{" "}
          in its environment. This browser keeps it for this address and sends it nowhere else.
        </p>
        <Field label="Admin token">
          <input
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            value={value}
            onInput={(event) => set(event.currentTarget.value)}
          />
        </Field>
        <div>
          <button type="submit" class="button primary">
            Continue
          </button>
        </div>
      </form>
    </Dialog>
  );
}
