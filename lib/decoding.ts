/** What `setEncoding()` does to a stage: bytes become text, also where a character is split between two values. */
import { StringDecoder } from 'node:string_decoder';

import type { SourceIterator } from './source.ts';

export class DecodingIterator<T> implements SourceIterator<T> {
  readonly #iterator: SourceIterator<T>;
  readonly #decoder: StringDecoder;
  /** The end of the source, once it is known, behind an incomplete character. */
  #end: IteratorResult<T, unknown> | undefined;

  constructor(iterator: SourceIterator<T>, encoding: BufferEncoding) {
    this.#iterator = iterator;
    this.#decoder = new StringDecoder(encoding);
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    if (this.#end !== undefined) return this.#end;
    const result = await this.#iterator.next();
    if (result.done) return this.#endWith(result);
    return this.decoded(result);
  }

  decoded<R extends IteratorResult<T, unknown>>(result: R): R {
    if (result.done || !ArrayBuffer.isView(result.value)) return result;
    return { done: false, value: this.#decoder.write(result.value as unknown as Buffer) as T } as R;
  }

  return(value: undefined): Promise<IteratorResult<T, unknown>> {
    return this.#iterator.return(value);
  }

  #endWith(result: IteratorResult<T, unknown>): IteratorResult<T, unknown> {
    this.#end = result;
    const rest = this.#decoder.end();
    return rest === '' ? result : { done: false, value: rest as T };
  }
}
