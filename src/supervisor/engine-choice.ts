/**
 * Decides which engine speaks with the clients of each listener.
 *
 * Thread: supervisor (on the main thread): the native library is never loaded anywhere else, and
 * here only when a listener is served by it. The rule for `auto`:
 *
 *     a listener needs what uws cannot do   wire, for all of them: one acceptor, one engine
 *     a listener shares its port            uws, where this Node cannot do that by itself
 *     else                                  wire
 */

import type { EngineSource } from '../acceptor/acceptor.js';
import type { CreateEngine } from '../acceptor/client-engine.js';
import { wireEngine } from '../acceptor/net/wire-engine.js';
import {
  loadNativeBinary,
  NativeBinaryError,
  type UwsModule,
} from '../acceptor/uws/native-binary.js';
import { checkParser } from '../acceptor/uws/parser-check.js';
import { uwsEngine } from '../acceptor/uws/uws-engine.js';
import type { Clock } from '../base/clock.js';
import type { EngineName } from '../base/listener-address.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ListenerSettings } from '../config/listener-settings.js';

/** The engines of a gateway, and why they are these. */
export class EngineChoice implements EngineSource {
  constructor(
    /** That of listeners which leave the choice. */
    private readonly auto: EngineName,
    /** Half a sentence for the log. */
    readonly reason: string,
    /** The library, where it was loaded. */
    private readonly uws: UwsModule | null = null,
  ) {}

  engineOf({ engine, wireOnly }: Pick<ListenerSettings, 'engine' | 'wireOnly'>): EngineName {
    if (engine !== 'auto') return engine;
    return wireOnly.length > 0 ? 'wire' : this.auto;
  }

  /** @throws NativeBinaryError when no binary loads on this machine. */
  create(name: EngineName): CreateEngine {
    return name === 'wire' ? wireEngine() : uwsEngine(this.uws ?? loadNativeBinary());
  }

  /** All that the library gets wrong, where it was loaded; takes its time. */
  async flaws(clock: Clock): Promise<readonly string[]> {
    return this.uws === null ? [] : await checkParser(this.uws, clock);
  }
}

/**
 * Looks at the listeners, and at the library where one of them needs that.
 *
 * @param load as {@link loadNativeBinary} does it.
 * @throws NativeBinaryError when a listener asks for a library that does not load.
 */
export function chooseEngines(
  { listeners, machine }: Pick<GatewaySettings, 'listeners' | 'machine'>,
  load: () => UwsModule = loadNativeBinary,
): EngineChoice {
  const uws = listeners.some(({ engine }) => engine === 'uws') ? load() : null;
  const isOpen = listeners.some(({ engine }) => engine === 'auto');
  if (!isOpen) return new EngineChoice('wire', 'the configuration says so', uws);
  const need = needOf(listeners);
  if (need !== '') return new EngineChoice('wire', need, uws);
  const sharing = machine.sharesPorts ? undefined : listeners.find(isShared);
  if (sharing === undefined) return new EngineChoice('wire', 'nothing needs another', uws);
  try {
    const why = `the listener ${sharing.name} shares its port, which this Node cannot do by itself`;
    return new EngineChoice('uws', why, uws ?? load());
  } catch (error) {
    if (!(error instanceof NativeBinaryError)) throw error;
    return new EngineChoice('wire', error.message);
  }
}

function isShared({ address }: ListenerSettings): boolean {
  return address.kind === 'tcp' && address.reusePort;
}

/** Why uws is out of the question, whatever it can do; '': it is not. */
function needOf(listeners: readonly ListenerSettings[]): string {
  for (const { name, engine, wireOnly } of listeners) {
    if (engine === 'wire') return `the listener ${name} asks for it`;
    if (wireOnly.length > 0) return `the listener ${name} needs it for ${wireOnly.join(', ')}`;
  }
  return '';
}
