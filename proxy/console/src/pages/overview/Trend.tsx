/** The last twenty reports: the health index of each, against the alarm line. */

import type { Schemas } from "../../api/client";
import { Chart } from "../../charts/Chart";
import { Card } from "../../components/parts";
import { fixed, local, utc } from "../../format";
import { COLUMNS, rows } from "./rows";

const WIDTH = 420;
const HEIGHT = 120;
const LEFT = 26;
const TOP = 8;
const FLOOR = 100;

export function Trend(props: { points: readonly Schemas["HistoryPoint"][] }) {
  const points = props.points.slice(0, 20).toReversed();
  const y = (health: number) => FLOOR - (health / 100) * (FLOOR - TOP);
  const slot = (WIDTH - LEFT) / 20;
  const x = (i: number) => LEFT + slot * (i + 20 - points.length + 0.5);
  const drawn = points.map((point, i) => ({ point, x: x(i) })).filter(({ point }) => point.health_index !== null);
  const first = points[0]?.timestamp;
  const last = points.at(-1)?.timestamp;
  return (
    <Card title="Stability: the last 20 reports" class="trend">
      <Chart
        label={`Health index of the last ${points.length} reports; 50 is the alarm line.`}
        columns={COLUMNS}
        rows={() => rows(points)}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} font-size="9.5" aria-hidden="true">
          {[0, 100].map((health) => (
            <g key={health}>
              <line x1={LEFT} x2={WIDTH} y1={y(health)} y2={y(health)} stroke="var(--line)" />
              <text x={LEFT - 4} y={y(health) + 3} text-anchor="end">
                {health}
              </text>
            </g>
          ))}
          <rect x={LEFT} y={y(50)} width={WIDTH - LEFT} height={FLOOR - y(50)} fill="var(--bad-soft)" opacity="0.55" />
          <line x1={LEFT} x2={WIDTH} y1={y(50)} y2={y(50)} stroke="var(--bad)" stroke-dasharray="5 3" />
          <text x={LEFT - 4} y={y(50) + 3} text-anchor="end">
            50
          </text>
          <polyline
            points={drawn.map(({ point, x }) => `${x},${y(point.health_index!)}`).join(" ")}
            fill="none"
            stroke="var(--accent)"
            stroke-width="1.75"
            stroke-linejoin="round"
          />
          {drawn.map(({ point, x }, i) => (
            <Dot key={i} x={x} y={y(point.health_index!)} severity={point.severity}>
              {`${point.timestamp ? `${local(point.timestamp)} (${utc(point.timestamp)})` : ""}: health ${fixed(point.health_index, 0)}, ${point.severity ?? "no severity"}`}
            </Dot>
          ))}
          {first && (
            <text
              x={points.length < 7 ? WIDTH : points.length < 14 ? x(0) : LEFT}
              y={HEIGHT - 4}
              text-anchor={points.length < 7 ? "end" : undefined}
            >
              {local(first)}
            </text>
          )}
          {last && points.length > 6 && (
            <text x={WIDTH} y={HEIGHT - 4} text-anchor="end">
              {local(last)}
            </text>
          )}
        </svg>
      </Chart>
    </Card>
  );
}

/** Round while all is well, square from MEDIUM on: not by colour alone. */
function Dot(props: { x: number; y: number; severity: string | null; children: string }) {
  const { x, y, severity } = props;
  const moved = severity !== null && severity !== "LOW";
  return (
    <g fill={moved ? "var(--bad)" : "var(--accent)"} stroke="var(--surface)">
      {moved ? <rect x={x - 3.4} y={y - 3.4} width="6.8" height="6.8" /> : <circle cx={x} cy={y} r="3.4" />}
      <title>{props.children}</title>
    </g>
  );
}
