/** Runs one workload in a process of its own, so that what V8 learns from one does not bear on the next. */
import { type Bench, type Mode, MODES } from './measurement.ts';

const [file, id, mode] = process.argv.slice(2) as [string, string, Mode['name']];
const { measure } = (await import(new URL(`./${file}.js`, import.meta.url).href)) as Bench;
process.send!(await measure(id, MODES[mode]), () => process.exit());
