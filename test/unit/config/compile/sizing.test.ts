import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryLack, sizingFor } from '../../../../src/config/compile/sizing.js';

const MIB = 2 ** 20;

function container(cores: number, memoryMib: number | null) {
  const memoryQuotaBytes = memoryMib === null ? null : memoryMib * MIB;
  return {
    cores,
    cpuQuota: cores,
    memoryQuotaBytes,
    memoryBytes: memoryQuotaBytes ?? 2 ** 36,
    sharesPorts: true,
  };
}

describe('sizes that the configuration does not name', () => {
  it('are full without a memory limit: a thread for each core', () => {
    expect(sizingFor(container(8, null))).toEqual({
      workers: 5,
      acceptors: 3,
      trackedClients: 262_144,
      laneRingBytes: 4 * MIB,
      youngGenerationMb: 96,
      workerHeapBytes: 0,
    });
  });

  it.each([
    [1, 1, 1],
    [2, 1, 1],
    [5, 1, 4],
    [6, 2, 4],
    [8, 3, 5],
    [16, 6, 10],
    [64, 24, 40],
    [256, 64, 64],
  ])('are for %d cores %d acceptors and %d workers', (cores, acceptors, workers) => {
    expect(sizingFor(container(cores, null))).toMatchObject({ acceptors, workers });
  });

  it.each([
    // Cores, configured acceptors and workers; acceptors and workers.
    [2, 2, undefined, 2, 2],
    [8, 1, undefined, 1, 7],
    [8, 5, undefined, 5, 5],
    [16, undefined, 1, 1, 1],
    [16, undefined, 4, 2, 4],
    [16, undefined, 64, 6, 64],
    [4, undefined, 8, 1, 8],
    [8, 4, 2, 4, 2],
  ])('of %d cores go by what is configured: %s and %s', (cores, asked, workers, ...chosen) => {
    const configured = {
      ...(asked !== undefined && { acceptors: asked }),
      ...(workers !== undefined && { workers }),
    };
    const { acceptors, workers: count } = sizingFor(container(cores, null), configured);
    expect([acceptors, count]).toEqual(chosen);
  });

  it('are for one acceptor where several are no good', () => {
    const one = { acceptors: 1, workers: 15 };
    expect(sizingFor(container(16, null), { needsOneAcceptor: true })).toMatchObject(one);
    expect(sizingFor(container(16, 960))).toMatchObject({ acceptors: 1, workers: 13 });
  });

  it('are the same where sockets cannot share a port', () => {
    const old = { ...container(16, null), sharesPorts: false };
    expect(sizingFor(old)).toEqual(sizingFor(container(16, null)));
  });

  it('leave room for each worker in a small container', () => {
    expect(sizingFor(container(32, 512)).workers).toBe(6);
    expect(sizingFor(container(32, 128)).workers).toBe(1);
    expect(sizingFor(container(2, 8192)).workers).toBe(1);
  });

  it.each([
    // Container, configured workers; tracked clients, ring and heap in MiB, young generation.
    [64, 1, 32_768, 1, 32, 10],
    [160, 1, 65_536, 1, 32, 10],
    [256, 1, 131_072, 2, 80, 26],
    [1024, 1, 262_144, 4, 464, 96],
    [16_384, 1, 262_144, 4, 4096, 96],
    [256, 9, 131_072, 1, 32, 8],
  ])('are parts of %d MiB for %d workers', (mib, workers, trackedClients, ring, heap, young) => {
    expect(sizingFor(container(2, mib), { workers })).toEqual({
      workers,
      acceptors: 1,
      trackedClients,
      laneRingBytes: ring * MIB,
      youngGenerationMb: young,
      workerHeapBytes: heap * MIB,
    });
    const chosen = sizingFor(container(2, mib));
    expect(chosen.workers).toBe(1);
  });

  it('have room on a ring for the largest head of a reply', () => {
    const replyHeadBytes = 256 * 1024;
    const { laneRingBytes } = sizingFor(container(2, 160), { replyHeadBytes });
    expect(laneRingBytes).toBe(2 * MIB);
  });

  it('are what the configuration says where it says something', () => {
    const sizes = { workers: 9, trackedClients: 5000, workerHeapBytes: 64 * MIB };
    expect(sizingFor(container(2, 256), sizes)).toMatchObject(sizes);
    expect(sizingFor(container(2, null), sizes)).toMatchObject(sizes);
  });

  it('are told of where the threads do not fit under the memory limit', () => {
    const said = (mib: number | null, workers?: number) => {
      const machine = container(4, mib);
      return memoryLack({
        machine,
        ...sizingFor(machine, workers === undefined ? {} : { workers }),
      });
    };
    expect([said(null), said(160), said(288, 3)]).toEqual(['', '', '']);
    expect(said(159)).toMatch(/is 159 MiB, .* want 160 MiB: .*; raise the limit$/);
    expect(said(287, 3)).toMatch(/is 287 MiB, .* want 288 MiB: .*, or set fewer "workers"$/);
  });

  it('fit into the container with what the process takes besides', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 128 }),
        fc.integer({ min: 192, max: 65_536 }),
        (cores, mib) => {
          const { workers, youngGenerationMb, laneRingBytes, trackedClients, workerHeapBytes } =
            sizingFor(container(cores, mib));
          const worker = youngGenerationMb * MIB + 2 * laneRingBytes + workerHeapBytes;
          expect(workers * worker + trackedClients * 128).toBeLessThanOrEqual(mib * MIB);
          expect(Math.log2(laneRingBytes) % 1).toBe(0);
        },
      ),
    );
  });
});
