/** The zoomable history, with what happened to the baseline and the model. */

import "uplot/dist/uPlot.min.css";

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";

import { useParameter } from "../../api/address";
import { type Drawn, draw, pan, type Plot as Made, whole, zoom } from "../../charts/LongHistory";
import { Table } from "../../charts/Chart";
import { Card, Failed, Loading, Time } from "../../components/parts";
import { CHANGED } from "../../components/ThemeToggle";
import { count, figure, fixed } from "../../format";
import { type Mark, type Point, useHistory } from "./history";
import { MARKS, MARK_WORDS } from "./words";

const SPANS: Readonly<Record<string, readonly [name: string, days: number]>> = {
  day: ["1 day", 1],
  week: ["7 days", 7],
  month: ["30 days", 30],
  all: ["all", 400],
};
const SHOWN: Readonly<Record<string, string>> = {
  health: "Health index",
  mmd: "MMD² and its alarm line",
  centroid: "Centroid distance",
  alignment: "Alignment",
};
const MOST_ROWS = 200;

export function HistoryCard(props: { monitor: string }) {
  const [span, setSpan] = useParameter("span");
  const [shown, setShown] = useParameter("show");
  const [, days] = SPANS[span] ?? SPANS.week!;
  const { points, marks, error, loading, retry } = useHistory(props.monitor, days);
  const [table, setTable] = useState(false);
  const kind = shown in SHOWN ? shown : "health";
  const drawn = useMemo(() => toDraw(kind, points, marks), [kind, points, marks]);
  return (
    <Card
      title="History"
      class="wide"
      aside={
        <span class="row">
          <label class="pick">
            <span class="sr">What to show</span>
            <select id="shown" value={kind} onChange={(event) => setShown(event.currentTarget.value)}>
              {Object.entries(SHOWN).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label class="pick">
            <span class="sr">How far back</span>
            <select value={span in SPANS ? span : "week"} onChange={(event) => setSpan(event.currentTarget.value)}>
              {Object.entries(SPANS).map(([value, [name]]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </span>
      }
    >
      <Failed error={error} retry={retry} />
      {loading && !points.length ? <Loading what="the history" /> : null}
      {!loading && points.length < 2 ? (
        <p class="muted">The history begins with the second report: a report is made every ten seconds while answers come.</p>
      ) : null}
      {points.length >= 2 && <Plot key={`${kind} ${span}`} drawn={drawn} label={`${SHOWN[kind]} over time, ${count(points.length)} points`} />}
      {marks.length > 0 && <Marks marks={marks} />}
      {points.length >= 2 && (
        <>
          <button type="button" class="button quiet small" aria-expanded={table} onClick={() => setTable(!table)}>
            {table ? "Hide table" : "Show as table"}
          </button>
          {table && <Rows points={points} />}
        </>
      )}
    </Card>
  );
}

function toDraw(kind: string, points: readonly Point[], marks: readonly Mark[]): Drawn {
  const column = (value: (point: Point) => number | null) => points.map(value);
  const lines = {
    health: [{ name: "health index, of 100", values: column((point) => point.health_index) }],
    mmd: [
      { name: "MMD²", values: column((point) => point.mmd_score) },
      { name: "its alarm line", values: column((point) => point.threshold), dashed: true },
    ],
    centroid: [{ name: "centroid distance, cosine", values: column((point) => point.centroid_score) }],
    alignment: [{ name: "alignment, cosine", values: column((point) => point.alignment) }],
  }[kind]!;
  return {
    times: points.map((point) => Date.parse(point.timestamp!) / 1000),
    lines,
    ...(kind === "health" ? { alarm: 50, range: [0, 100] as const } : {}),
    marks: marks
      .filter((mark) => mark.timestamp)
      .map((mark) => ({ at: Date.parse(mark.timestamp!) / 1000, letter: MARKS[mark.kind] ?? "?" })),
  };
}

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

function Plot(props: { drawn: Drawn; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const made = useRef<Made | undefined>(undefined);
  const drawn = useMemo(() => fromFirstMark(rising(props.drawn)), [props.drawn]);
  const newest = useRef(drawn);
  newest.current = drawn;
  useEffect(() => {
    const here = box.current!;
    const make = () => {
      made.current?.plot.destroy();
      made.current = draw(here, newest.current);
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

function Marks(props: { marks: readonly Mark[] }) {
  const marks = props.marks.toReversed();
  return (
    <details open={marks.length <= 4}>
      <summary>Marks: what happened to baseline and model ({count(marks.length)})</summary>
      <Table
        label="Marks"
        columns={[{ name: "" }, { name: "time" }, { name: "kind" }, { name: "what" }]}
        rows={marks
          .slice(0, 50)
          .map((mark) => [
            <b>{MARKS[mark.kind] ?? "?"}</b>,
            <Time at={mark.timestamp} />,
            MARK_WORDS[mark.kind] ?? mark.kind,
            <span class="text">{mark.text}</span>,
          ])}
      />
    </details>
  );
}

function Rows(props: { points: readonly Point[] }) {
  const rows = props.points.slice(-MOST_ROWS).toReversed();
  return (
    <>
      {props.points.length > rows.length && (
        <p class="muted small">
          The newest {count(rows.length)} of {count(props.points.length)}; all of them at <code>/drift/history</code>.
        </p>
      )}
      <Table
        label="History"
        columns={[
          { name: "time" },
          { name: "severity" },
          { name: "health, of 100", number: true },
          { name: "MMD²", number: true },
          { name: "its line", number: true },
          { name: "centroid distance", number: true },
          { name: "alignment", number: true },
          { name: "reports", number: true },
        ]}
        rows={rows.map((point) => [
          <Time at={point.timestamp} />,
          point.severity ?? "none yet",
          fixed(point.health_index, 0),
          figure(point.mmd_score),
          figure(point.threshold),
          figure(point.centroid_score),
          figure(point.alignment),
          count(point.reports),
        ])}
      />
    </>
  );
}
