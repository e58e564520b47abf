/** As `consumer.mts`, from CommonJS. */
import { bufferedPipeline, type Stage } from 'buffered-pipeline';

const stage: Stage<number> = bufferedPipeline()(['a']).map((word) => word.length);
export const total: Promise<number> = stage.reduce((sum, length) => sum + length, 0);
