/** The answers to one prompt: one, or two beside each other. */

import { useState } from "preact/hooks";

import { useDifference, Words } from "../../components/Words";
import { AnswerView } from "./AnswerView";
import { running, type Turn } from "./turns";

export function Results(props: { turn: Turn; settled: (monitor: string | null) => void }) {
  const { turn, settled } = props;
  const [marks, setMarks] = useState(false);
  const [first, second] = turn.asked;
  const both = Boolean(second && first?.answer.text && second.answer.text && !running(turn));
  const marking = both && marks;
  const found = useDifference(marking ? first!.answer.text : "", marking ? second!.answer.text : "");
  const words = (side: "before" | "after") =>
    marking && !found.apart ? <Words pieces={found[side]} side={side} marked /> : undefined;
  return (
    <>
      <p class="text play-asked">
        <span class="muted small">Prompt</span> {first?.question.prompt}
      </p>
      {second && (
        <div class="row small">
          <label class="play-check">
            <input type="checkbox" checked={marks} disabled={!both} onChange={(event) => setMarks(event.currentTarget.checked)} />
            Mark words that differ
          </label>
          {marking && (
            <span class="muted">
              {found.same
                ? "The answers are the same."
                : found.apart
                  ? "The answers share too few words to mark the others."
                  : "Struck through: only in the first. Underlined: only in the second."}
            </span>
          )}
        </div>
      )}
      <div class={second ? "play-answers two" : "play-answers"}>
        {turn.asked.map((asked, i) => (
          <AnswerView
            key={`${turn.id}-${i}`}
            asked={asked}
            title={second ? (i ? "Second answer" : "First answer") : "Answer"}
            words={second ? words(i ? "after" : "before") : undefined}
            settled={settled}
          />
        ))}
      </div>
    </>
  );
}
