/** All of them, by their ids. Those with the same first word are asked for by it: `npm run bench -- growth`. */
import { behaviour } from './behaviour.ts';
import { counts } from './counts.ts';
import { lifetime } from './lifetime.ts';
import { memory } from './memory.ts';
import { schedule } from './schedule.ts';
import { streaming } from './streaming.ts';
import { throughput } from './throughput.ts';
import type { Workloads } from './workload.ts';

export const workloads: Workloads = {
  ...throughput,
  ...lifetime,
  ...schedule,
  ...behaviour,
  ...memory,
  ...counts,
  ...streaming,
};
