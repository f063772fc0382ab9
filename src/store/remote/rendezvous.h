// Which of several servers has an entry: weighted rendezvous hashing. Each server draws a number
// for each fingerprint, and the highest one wins. So that a server that comes takes its share from
// all others, one that goes leaves its share to all others, and nothing else moves.
#ifndef LARDER_STORE_REMOTE_RENDEZVOUS_H_
#define LARDER_STORE_REMOTE_RENDEZVOUS_H_

#include <cstddef>
#include <span>

#include "larder/fingerprint.h"
#include "larder/remote.h"

namespace larder {

// The place of the one that has it, the same on every machine. At least one shard, weights over 0.
std::size_t shard_of(std::span<const RemoteShard> shards, const Fingerprint& fingerprint);

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_RENDEZVOUS_H_
