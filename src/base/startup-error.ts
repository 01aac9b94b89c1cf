/**
 * What keeps the gateway from starting and is no mistake of ours: an address in use, a binary that
 * does not load.
 *
 * Thread: any (pure). Its message is a sentence for whoever starts the gateway; the stack is of no
 * use to them.
 */
export class StartupError extends Error {
  override readonly name: string = 'StartupError';
}
