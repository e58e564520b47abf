/** Which job is running, and what is to be done in it one after the other. */

/** Numbers the jobs in which stages are started, so that each can be told from later ones. */
let job = 0;
let isJobNumbered = false;
function endJob(): void {
  isJobNumbered = false;
}
export function currentJob(): number {
  if (!isJobNumbered) {
    isJobNumbered = true;
    job++;
    // Detached: it cannot fail. No generator that starts in this job can go on before.
    void Promise.resolve().then(endJob);
  }
  return job;
}

/** What is left to let go. In a loop, so that the stack does not grow with the chain. */
let due: (() => void)[] | undefined;
export function inTurn(work: () => void): void {
  if (due !== undefined) {
    due.push(work);
    return;
  }
  due = [work];
  try {
    for (const next of due) next();
  } finally {
    due = undefined;
  }
}
