import { RUNS } from './cases.ts';
import { LARGEST, LITTLE, type Result } from './experiment.ts';

/** Columns of the first table. */
const SHOWN = [2, 4, 8, 16, 64];

export function document(results: Result[], count: number): string {
  return `# Which stage, which size

\`buffer.statistics()\` says of each stage how long it worked, how long it was starved (it waited for the stage before it)
and how long it was blocked (its buffer was full). This page asks what that tells about a larger \`bufferSize\`, and checks
the answer by experiment.

## In short

- **If one stage works nearly all its life, it is the bottleneck.** No buffer helps; a quicker step does.
- **If none does, there is a stage that is blocked while at other times its reader is starved.** That buffer is too small:
  double it and look again, until there is no such stage.
- **How much is there to gain?** At most the share of the time in which the busiest stage does not work. If times are random
  and the steps about equally slow, giving all buffers size b saves about (b - 1)/(b + 1) of it: a third with 2, 60 % with 4,
  88 % with 16.
- **Bursts need room for a burst.** Less than that helps little.

## Method

Chains of real stages run in virtual time, on the same clock that the statistics read, so that the figures are exact and the
same on every machine. ${count} values pass two or three steps whose mean time is 1, unless the row says otherwise, to a
reader that takes each at once. Rows with random times are means of ${RUNS} runs. Each run is checked: the values and their
order, the time it takes against the exact schedule that the rules of the package give, and the statistics against the times
of the steps. All percentages are of the time that the chain takes with all buffers of size 1.

\`npm run bench -- --sizes\` runs it and makes this page.

![Saved time over what was predicted at size 1. Left, one buffer enlarged: all dots lie on or below the diagonal, many far below. Right, all buffers enlarged: dots for random times lie along the diagonal, those for bursts on both sides of it, far off.](buffer-size.svg)

## All buffers enlarged

The time saved, and in brackets the estimate: (b - 1)/(b + 1) of *at most*, which is what one look at size 1 gives: the share
in which the busiest stage does not work. It was never exceeded, and cannot be: that stage's work has to be done, one value
after another.

${table(
  ['times of the steps', 'at most', ...SHOWN.map((size) => `size ${size}`)],
  results.map(({ title, most, all }) => [
    title,
    percent(most),
    ...SHOWN.map((shown) => {
      const { saved, predicted } = all.find(({ size }) => size === shown)!;
      return `${percent(saved)} (${percent(predicted)})`;
    }),
  ]),
)}

For two steps with exponential times and many values the estimate is exact: each step works (b + 1)/(b + 2) of the time, as
queueing theory says. For the other random times it is off by ${farthest(results, 'random')} points at most: too low where times vary less
(uniform), and where one step is slower than the others. For bursts and rare slow values it is no use, off by up to
${farthest(results, 'bursts')} points: how long a burst is cannot be seen in sums of times.

## One buffer enlarged

Only the buffer after the named step is raised to ${LARGEST}. *At most* is the least of three: how long the step is blocked, how long
its reader is starved, and the bound above.

${table(
  ['times of the steps', 'buffer after', 'blocked', 'reader starved', 'at most', 'saved'],
  results.flatMap(({ title, alone }) =>
    alone.map(({ after, blocked, starved, predicted, saved }) => [
      title,
      `step ${after + 1}`,
      percent(blocked),
      percent(starved),
      percent(predicted),
      percent(saved),
    ]),
  ),
)}

No buffer saves more by itself, for two reasons. If its reader never starved, the longest way through the schedule would be
shorter by no more than the time it starved before. And the stage itself cannot be done earlier by more than the time it was
blocked. (What the stages after it have left to do when it is done comes on top; among many values it does not count.) But
this is a bound and no promise, as the table shows:

- **The bottleneck may be elsewhere.** With means of 0.5, 0.5 and 1, the first step is blocked for half of the time, and yet
  next to nothing can be gained.
- **The next buffer may be too small as well.** Where values are slow in turns, neither buffer saves anything by itself, and
  both together save nearly half: a stage that starves no longer is blocked instead. Hence the advice to look again, also
  when the first change has gained nothing.

## The advice followed

Starting with size 1, each buffer whose stage is blocked and whose reader is starved for more than ${percent(LITTLE)} of the time is doubled,
up to ${LARGEST}, until there is none or a stage works for more than ${percent(1 - LITTLE)}. Sizes are those of the first run.

${table(
  ['times of the steps', 'sizes at the end', 'saved', `all of size ${LARGEST}`],
  results.map(({ title, followed, all }) => [
    title,
    followed.sizes.join(', '),
    percent(followed.saved),
    percent(all.at(-1)!.saved),
  ]),
)}

That it ends where nothing is left to gain is no accident. Suppose there is no stage that is blocked at times while its reader
starves at others, and take the first stage that is never blocked. All before it are blocked at times, so that their readers,
it included, never starve. A stage that neither is blocked nor starves works all its life: it is the bottleneck.

## Limits

- The loop or stream that reads the last stage is not measured. If the last stage is blocked, its reader is slow, or uneven:
  move its work into a generator of its own to see it.
- A chain with few values has not much more than a start, in which all but the first stage starve, and an end. There is less
  to gain than the figures say. With exponential times and size 4, about two thirds of the estimate for 10 values; from 30
  values on, the estimate holds.
- Steps that compute share one thread: the time for which one waits until another has computed counts as working.
- Random times were drawn independently for each step and value. Where the same values are slow in all steps, the row "alike
  in all steps" comes nearer.
`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map(line).join('\n');
}

function percent(share: number): string {
  // Without the sign of a zero.
  return `${Math.abs(share * 100) < 0.5 ? 0 : Math.round(share * 100)} %`;
}

/** Points of percent between the estimate and what was saved. */
function farthest(results: Result[], kind: Result['kind']): number {
  const errors = results.filter((result) => result.kind === kind).flatMap(({ all }) => all);
  return Math.ceil(100 * Math.max(...errors.map(({ saved, predicted }) => Math.abs(saved - predicted))));
}
