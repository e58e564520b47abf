// The declarations name types of Node.js, and projects since TypeScript 5.9 begin with `"types": []`.
/// <reference types="node" preserve="true" />
export { bufferedPipeline } from './pipeline.ts';
export type {
  BufferedPipeline,
  CallStatistics,
  MapOptions,
  OperatorOptions,
  PipelineOptions,
  Source,
  SourceContext,
  SourceIterable,
  Stage,
  StageMessage,
  StageOptions,
  StageState,
  StageStatistics,
} from './types.ts';
