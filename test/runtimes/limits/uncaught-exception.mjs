// Whether an uncaught exception ends the process before anything else runs.
process.on('uncaughtExceptionMonitor', () => console.log('ends'));
setImmediate(() => console.log('not yet'));
queueMicrotask(() => {
  throw new Error('uncaught');
});
