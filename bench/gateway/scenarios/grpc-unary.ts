/**
 * Question: what does a unary call of gRPC cost, where connections have many of them at once?
 */
import { grpcScenario } from '../grpc.js';

export const grpcUnary = grpcScenario({
  name: 'grpc-unary',
  title: 'unary calls of gRPC, 8 connections of 16 streams, 128 bytes each way',
  connections: 8,
  streams: 16,
});
