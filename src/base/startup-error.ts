/**
 * An error that keeps the gateway from starting and is not a mistake in its code, such as an
 * address in use or a binary that does not load.
 *
 * Thread: any (pure). The message is a sentence for the operator, who does not need the stack.
 */
export class StartupError extends Error {
  override readonly name: string = 'StartupError';
}
