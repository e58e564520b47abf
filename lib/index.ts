export { bufferedPipeline } from './pipeline.ts';
export type {
  BufferedPipeline,
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
