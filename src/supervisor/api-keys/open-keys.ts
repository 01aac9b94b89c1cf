/**
 * Makes what keeps the API keys of a gateway, as its configuration says.
 *
 * Thread: supervisor (on the main thread). Loaded only where keys are made at run time.
 */
import { defined } from '../../base/assert.js';
import type { CompiledKeys } from '../../config/compiled-config.js';
import { Sealer } from '../../filters/authentication/sealed-text.js';
import type { SharedState } from '../shared/shared-state.js';
import { ApiKeys, type ApiKeysParts } from './api-keys.js';
import type { KeyStorage } from './key-storage.js';
import { LocalKeys } from './local-keys.js';
import { StoredKeys } from './stored-keys.js';

type Surroundings = Pick<ApiKeysParts, 'announcements' | 'broadcast' | 'clock' | 'logger'> & {
  readonly shared: SharedState | null;
};

export function openKeys(config: CompiledKeys, { shared, ...parts }: Surroundings): ApiKeys {
  if (config.kept !== 'store') {
    return new ApiKeys({ ...parts, events: null, storage: new LocalKeys(config.file) });
  }
  const { store, events } = defined(shared ?? undefined, 'the store of the API keys');
  return new ApiKeys({ ...parts, events, storage: storageOf(shared, store) });
}

function storageOf(shared: SharedState | null, store: SharedState['store']): KeyStorage {
  const key = defined(shared?.key('api keys') ?? undefined, 'the secret of the store');
  return new StoredKeys(store, new Sealer(key));
}
