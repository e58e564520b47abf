export { bufferedPipeline } from './pipeline.ts';
export type {
  BufferedPipeline,
  OperatorOptions,
  PipelineOptions,
  Source,
  SourceContext,
  SourceIterable,
  Stage,
  StageOptions,
} from './types.ts';
