/** Figures and times as people read them. */

export const NONE = "–";

/** At most `digits` significant digits, no exponent where it can be avoided. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(1);
  return value.toLocaleString("en-GB", { maximumSignificantDigits: digits });
}

/** With `places` digits after the point: for columns of figures. */
export function fixed(value: number | null | undefined, places: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return value.toLocaleString("en-GB", { minimumFractionDigits: places, maximumFractionDigits: places });
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : value.toLocaleString("en-GB");
}

/** A share of 1 as per cent. */
export function percent(share: number | null | undefined, places = 0): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NONE;
  if (share > 0 && share * 100 < 0.5 * 10 ** -places) return `< ${(10 ** -places).toFixed(places)} %`;
  return `${fixed(share * 100, places)} %`;
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 120) return `${figure(value, 3)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return value < 172_800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86_400)} days`;
}

/** A p-value; very small ones as a bound. */
export function p(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return value < 0.001 ? "< 0.001" : fixed(value, 3);
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${figure(value, 3)} ${units[unit]}`;
}

/** "1 answer", "2 answers". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** "prompts_changed" -> "prompts changed". */
export function spaced(name: string): string {
  return name.replaceAll("_", " ");
}

/** A moment in local time: the time alone today, else with its date. */
export function local(iso: string): string {
  const at = new Date(iso);
  const time = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })} ${time}`;
}

/** The same moment in UTC, to the second. */
export function utc(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** "3 min ago", "in 2 h". */
export function ago(iso: string, now: number): string {
  const passed = (now - new Date(iso).getTime()) / 1000;
  const long = Math.abs(passed) < 1 ? "a moment" : seconds(Math.round(Math.abs(passed)));
  return passed >= 0 ? `${long} ago` : `in ${long}`;
}
