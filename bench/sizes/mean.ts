import type { Result } from './experiment.ts';
import { sum } from './rules.ts';

/** Of runs of one case. */
export function mean(results: Result[]): Result {
  const average = (of: (result: Result) => number): number => sum(results.map(of)) / results.length;
  const [first] = results as [Result];
  return {
    ...first,
    most: average(({ most }) => most),
    all: first.all.map(({ size }, at) => ({
      size,
      predicted: average(({ all }) => all[at]!.predicted),
      saved: average(({ all }) => all[at]!.saved),
    })),
    alone: first.alone.map(({ after }, at) => ({
      after,
      predicted: average(({ alone }) => alone[at]!.predicted),
      saved: average(({ alone }) => alone[at]!.saved),
      blocked: average(({ alone }) => alone[at]!.blocked),
      starved: average(({ alone }) => alone[at]!.starved),
    })),
    followed: { ...first.followed, saved: average(({ followed }) => followed.saved) },
    complaints: results.flatMap(({ complaints }) => complaints),
  };
}
