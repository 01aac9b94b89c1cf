/**
 * Question: what does a unary call of gRPC cost, where each connection has one at a time?
 */
import { grpcScenario } from '../grpc.js';

export const grpcSingle = grpcScenario({
  name: 'grpc-single',
  title: 'unary calls of gRPC, 64 connections of one stream, 128 bytes each way',
  connections: 64,
  streams: 1,
});
