/**
 * The engines of an acceptor that has a thread of its own: one, as the others must not be there.
 *
 * Thread: acceptor.
 */
import { StartupError } from '../../base/startup-error.js';
import type { EngineSource } from '../acceptor.js';
import { wireEngine } from './wire-engine.js';

export function wireEngines(): EngineSource {
  return {
    engineOf({ name, engine }) {
      if (engine !== 'uws') return 'wire';
      throw new StartupError(`the listener ${name} cannot come to this acceptor without a restart`);
    },
    create: () => wireEngine(),
  };
}
