import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { StartupError } from '../../../../src/base/startup-error.js';
import { WaitingRoom } from '../../../../src/supervisor/sources/waiting-room.js';
import { aCoordinatorConfig } from '../../../support/coordinator-rig.js';

it('says which address it cannot have, and why', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const { admin } = aCoordinatorConfig();
  const room = new WaitingRoom();
  const open = room.open({ listeners: [], admin: { ...admin, port } }, () => ({}));
  const message = `cannot listen on 127.0.0.1:${port}: the address is in use`;
  await expect(open).rejects.toThrow(new StartupError(message));
  holder.close();
});
