/**
 * POST /chaos/worker/N/crash, /hang, /oom and /chaos/coordinator/crash, /hang: makes a thread fail
 * on purpose, to show what happens to the requests.
 *
 * Thread: acceptor. These pages exist only when the environment has GATEWAY_CHAOS=1.
 */
import type { CoordinatorFault } from '../../channel/coordinator/coordinator-messages.js';
import type { WorkerFault } from '../../channel/lane.js';
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

const WORKER_FAULTS: readonly WorkerFault[] = ['crash', 'hang', 'oom'];
const COORDINATOR_FAULTS: readonly CoordinatorFault[] = ['crash', 'hang'];

/** Makes the threads fail. */
export interface FaultInjector {
  readonly workers: number;
  /** False: the lane has no worker now. */
  injectWorkerFault(lane: number, fault: WorkerFault): boolean;
  injectCoordinatorFault(fault: CoordinatorFault): void;
}

export function faultHandlers(injector: FaultInjector): AdminHandler[] {
  const lanes = Array.from({ length: injector.workers }, (_, lane) => lane);
  const ofWorkers = lanes.flatMap((lane) =>
    WORKER_FAULTS.map((fault) =>
      faultHandler(`/chaos/worker/${lane}/${fault}`, () => {
        const isDone = injector.injectWorkerFault(lane, fault);
        return isDone ? done(`worker ${lane}`, fault) : adminProblem(409, 'Conflict', NO_WORKER);
      }),
    ),
  );
  const ofCoordinator = COORDINATOR_FAULTS.map((fault) =>
    faultHandler(`/chaos/coordinator/${fault}`, () => {
      injector.injectCoordinatorFault(fault);
      return done('coordinator', fault);
    }),
  );
  return [...ofWorkers, ...ofCoordinator];
}

const NO_WORKER = 'the lane has no worker now; try again when /stats says that it is served';

function faultHandler(path: string, answer: () => AdminReply): AdminHandler {
  // The environment variable is the permission: without it these pages do not exist.
  return { method: 'POST', path, needsToken: false, answer };
}

function done(thread: string, fault: string): AdminReply {
  return { status: 202, body: { thread, fault } };
}
