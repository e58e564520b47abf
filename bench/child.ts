/** Answers in a process of its own, so that what V8 learns from one workload does not bear on the next. */
import { type Mode, MODES, type Outcomes } from './workload.ts';
import { workloads } from './workloads.ts';

export interface Task {
  mode: Mode['name'];
  ids: string[];
  /** The contenders that are asked, if not all. */
  names: string[] | undefined;
}

const { mode, ids, names } = JSON.parse(process.argv[2]!) as Task;
const answers: Record<string, Outcomes> = {};
for (const id of ids) answers[id] = await workloads[id]!.run(MODES[mode], names);
process.send!(answers, () => process.exit());
