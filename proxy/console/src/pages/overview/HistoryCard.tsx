/** The zoomable history, with what happened to the baseline and the model. */

import { useMemo, useState } from "preact/hooks";

import { useParameter } from "../../api/address";
import type { Drawn } from "../../charts/LongHistory";
import { Table } from "../../charts/Chart";
import { Card, Failed, Loading, Time } from "../../components/parts";
import { count } from "../../format";
import { type Mark, type Point, useHistory } from "./history";
import { HistoryPlot } from "./HistoryPlot";
import { COLUMNS, rows } from "./rows";
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
      {points.length >= 2 && <HistoryPlot key={`${kind} ${span}`} drawn={drawn} label={`${SHOWN[kind]} over time, ${count(points.length)} points`} />}
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
  const newest = props.points.slice(-MOST_ROWS);
  return (
    <>
      {props.points.length > newest.length && (
        <p class="muted small">
          The newest {count(newest.length)} of {count(props.points.length)}; all of them at <code>/drift/history</code>.
        </p>
      )}
      <Table label="History" columns={COLUMNS} rows={rows(newest)} />
    </>
  );
}
