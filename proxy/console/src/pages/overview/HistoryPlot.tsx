/** The history's plot with its controls; what is zoomed into is in the address. */

import "uplot/dist/uPlot.min.css";

import { useEffect, useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";

import { useParameter } from "../../api/address";
import { type Drawn, draw, pan, type Plot as Made, type View, whole, zoom } from "../../charts/LongHistory";
import { CHANGED } from "../../components/ThemeToggle";

const REST_MS = 400;

/** Two reports in one moment would make time stand still: the later one counts. */
function rising(drawn: Drawn): Drawn {
  const keep = drawn.times.map((at, i) => i === drawn.times.length - 1 || at < drawn.times[i + 1]!);
  if (keep.every(Boolean)) return drawn;
  const of = <T,>(values: readonly T[]) => values.filter((_, i) => keep[i]);
  return { ...drawn, times: of(drawn.times), lines: drawn.lines.map((line) => ({ ...line, values: of(line.values) })) };
}

/** Begin where the first mark stands: a baseline is made before its first report. */
function fromFirstMark(drawn: Drawn): Drawn {
  const first = Math.min(...drawn.marks.map((mark) => mark.at));
  if (!(first < drawn.times[0]!)) return drawn;
  const lines = drawn.lines.map((line) => ({ ...line, values: [null, ...line.values] }));
  return { ...drawn, times: [first, ...drawn.times], lines };
}

export function HistoryPlot(props: { drawn: Drawn; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const made = useRef<Made | undefined>(undefined);
  const drawn = useMemo(() => fromFirstMark(rising(props.drawn)), [props.drawn]);
  const newest = useRef(drawn);
  newest.current = drawn;
  const [zoomed, setZoomed] = useParameter("zoom");
  const view = useRef(zoomed);
  useEffect(() => {
    const here = box.current!;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tell = (now: View) => {
      const words = now ? now.map(Math.round).join("~") : "";
      if (words === view.current) return;
      view.current = words;
      // The address follows once the view has come to rest.
      clearTimeout(timer);
      timer = setTimeout(() => setZoomed(view.current), REST_MS);
    };
    const make = () => {
      made.current?.plot.destroy();
      made.current = draw(here, newest.current, parsed(view.current, newest.current), tell);
    };
    make();
    document.addEventListener(CHANGED, make);
    const resized = new ResizeObserver(() => {
      const plot = made.current?.plot;
      const width = here.clientWidth;
      if (plot && width && width !== plot.width) plot.setSize({ width, height: plot.height });
    });
    resized.observe(here);
    return () => {
      clearTimeout(timer);
      document.removeEventListener(CHANGED, make);
      resized.disconnect();
      made.current?.plot.destroy();
      made.current = undefined;
    };
  }, []);
  useEffect(() => made.current?.update(drawn), [drawn]);
  const keys: Record<string, (plot: uPlot) => void> = {
    ArrowLeft: (u) => pan(u, -0.2),
    ArrowRight: (u) => pan(u, 0.2),
    "+": (u) => zoom(u, 0.6),
    "=": (u) => zoom(u, 0.6),
    "-": (u) => zoom(u, 1.6),
    "0": whole,
  };
  const act = (key: string) => made.current && keys[key]?.(made.current.plot);
  return (
    <div class="long stack">
      <div
        ref={box}
        role="application"
        aria-label={`${props.label}. Arrow keys move, plus and minus zoom, 0 shows all.`}
        tabIndex={0}
        onKeyDown={(event) => {
          if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          act(event.key);
        }}
      />
      <div class="row">
        <span class="row" role="group" aria-label="Zoom">
          {(
            [
              ["+", "Zoom in"],
              ["-", "Zoom out"],
              ["ArrowLeft", "Earlier"],
              ["ArrowRight", "Later"],
              ["0", "Whole"],
            ] as const
          ).map(([key, name]) => (
            <button key={key} type="button" class="button small" onClick={() => act(key)}>
              {name}
            </button>
          ))}
        </span>
        <span class="muted small">Drag to zoom; Shift or Ctrl and wheel too; double-click shows all.</span>
      </div>
    </div>
  );
}

/** "from~to" in unix seconds, where there is anything to see in it. */
function parsed(zoomed: string, { times }: Drawn): View {
  const [from, to] = zoomed.split("~").map(Number);
  if (!from || !to || !(from < to) || to < times[0]! || from > times.at(-1)!) return null;
  return [from, to];
}
