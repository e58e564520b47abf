/** Node's own state getters, for the stage, which overrides them: its values wait in Node's buffer or in the line. */
import { Readable } from 'node:stream';

function getter<Name extends keyof Readable>(name: Name): (stream: Readable) => Readable[Name] {
  const { get } = Object.getOwnPropertyDescriptor(Readable.prototype, name)!;
  return (stream) => get!.call(stream) as Readable[Name];
}

/** How many values Node's buffer holds. */
export const pushedLength: (stream: Readable) => number = getter('readableLength');

/** Whether a value has left Node's buffer. */
export const streamDidRead: (stream: Readable) => boolean = getter('readableDidRead');

/** Whether Node has emitted 'end'. */
export const streamHasEnded: (stream: Readable) => boolean = getter('readableEnded');

/** Whether Node takes the stream for destroyed, or failed, before its end. */
export const streamWasAborted: (stream: Readable) => boolean = getter('readableAborted');

export const isStreamReadable: (stream: Readable) => boolean = getter('readable');
export const streamIsDestroyed: (stream: Readable) => boolean = getter('destroyed');
export const streamIsClosed: (stream: Readable) => boolean = getter('closed');

/** What the stream was destroyed with. */
export const streamError: (stream: Readable) => Error | null = getter('errored');
