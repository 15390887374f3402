import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [preact()],
  build: {
    target: ["chrome123", "firefox128", "safari17.5"],
    // Nothing inline: the content security policy allows scripts and styles of this origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What the licences of the packages in the build ask for.
    license: { fileName: "licenses.md" },
  },
  server: {
    // `npm run dev` beside a running `driftium serve`.
    proxy: Object.fromEntries(
      ["/api", "/baseline", "/drift", "/events", "/exchanges", "/generate", "/monitors", "/samples"].map((path) => [
        path,
        process.env.DRIFTIUM_URL ?? "http://127.0.0.1:8000",
      ]),
    ),
  },
});
