/** How bad it is: a word, a shape and a colour, so that none has to say it alone. */

const SHAPES: Record<string, string> = {
  LOW: "M2 8.5 6.5 13 14 3.5",
  MEDIUM: "M8 2 15 14H1Z",
  HIGH: "M8 1 15 8 8 15 1 8Z",
  CRITICAL: "M5 1h6l4 4v6l-4 4H5l-4-4V5Z",
};

export function Severity(props: { severity: string | null | undefined; provisional?: boolean | null }) {
  const { severity, provisional } = props;
  if (!severity) return <span class="badge none">no severity yet</span>;
  return (
    <span class={`badge ${severity.toLowerCase()}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path
          d={SHAPES[severity]}
          fill={severity === "LOW" ? "none" : "currentColor"}
          stroke="currentColor"
          stroke-width={severity === "LOW" ? 2.5 : 0}
        />
      </svg>
      {severity}
      {provisional ? " (provisional)" : ""}
    </span>
  );
}
