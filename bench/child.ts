/** Answers in a process of its own, so that what V8 learns from one workload does not bear on the next. */
import { type Mode, MODES, type Outcomes } from './workload.ts';
import { workloads } from './workloads.ts';

/** The name of the only contender that is asked, if not all are. */
const [mode, name, ...ids] = process.argv.slice(2) as [Mode['name'], string, ...string[]];
const answers: Record<string, Outcomes> = {};
for (const id of ids) answers[id] = await workloads[id]!.run(MODES[mode], name === '' ? workloads[id]!.names : [name]);
process.send!(answers, () => process.exit());
