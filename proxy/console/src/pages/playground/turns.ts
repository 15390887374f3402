/** What was asked during this visit: kept in memory, also while another page is looked at. */

import { useEffect, useReducer, useRef } from "preact/hooks";

import { type Answer, ask, type Question, UNANSWERED } from "./ask";

export interface Asked {
  question: Question;
  answer: Answer;
}

export interface Turn {
  id: number;
  at: string;
  /** One, or two beside each other. */
  asked: readonly Asked[];
}

const KEPT = 10;

let turns: readonly Turn[] = [];
let shown = 0;
let next = 1;

export function running(turn: Turn | undefined): boolean {
  return Boolean(turn?.asked.some(({ answer }) => answer.state === "waiting" || answer.state === "answering"));
}

export function useTurns() {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const leaving = useRef<AbortController | null>(null);
  useEffect(() => () => leaving.current?.abort(), []);

  const start = (questions: readonly Question[]) => {
    leaving.current?.abort();
    const stop = new AbortController();
    leaving.current = stop;
    const id = next++;
    const asked = questions.map((question) => ({ question, answer: UNANSWERED }));
    turns = [{ id, at: new Date().toISOString(), asked }, ...turns].slice(0, KEPT);
    shown = id;
    draw(undefined);
    questions.forEach((question, i) => {
      void ask(question, stop.signal, (answer) => {
        turns = turns.map((turn) => (turn.id === id ? answered(turn, i, answer) : turn));
        draw(undefined);
      });
    });
  };

  const show = (id: number) => {
    shown = id;
    draw(undefined);
  };
  return { turns, turn: turns.find((one) => one.id === shown), start, show, stop: () => leaving.current?.abort() };
}

function answered(turn: Turn, i: number, answer: Answer): Turn {
  return { ...turn, asked: turn.asked.map((one, j) => (i === j ? { ...one, answer } : one)) };
}
