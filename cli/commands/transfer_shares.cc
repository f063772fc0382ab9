// Entries on their way, by the servers that they are on.
#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <utility>

#include "commands/transfer.h"
#include "terminal.h"

namespace larder::cli {
namespace {

// What one server has, or is to have.
struct Share {
  RemoteStore* server = nullptr;
  std::vector<Fingerprint> entries = {};
  Transfer transfer = {};
  std::vector<Fingerprint> left = {};  // not handed over
};

// In the order in which they come first.
std::vector<Share> shares_of(RemoteStore& tier, Batch entries) {
  std::vector<Share> shares;
  std::map<const RemoteStore*, std::size_t> places;
  for (const Fingerprint& fingerprint : entries) {
    RemoteStore& server = tier.server_of(fingerprint);
    const auto [place, is_new] = places.try_emplace(&server, shares.size());
    if (is_new) shares.push_back({.server = &server});
    shares[place->second].entries.push_back(fingerprint);
  }
  return shares;
}

void move_share(Share& share, std::size_t most, Progress& progress, const Move& move) {
  Batch entries = share.entries;
  while (!entries.empty() && !share.transfer.is_hopeless()) {
    const Batch batch = entries.first(std::min(entries.size(), most));
    move(*share.server, batch, share.transfer);
    for (std::size_t i = 0; i < batch.size(); ++i) progress.step();
    entries = entries.subspan(batch.size());
  }
  share.transfer.failed += entries.size();
  share.transfer.not_tried += entries.size();
  share.left.assign(entries.begin(), entries.end());
}

void keep_first(std::optional<Error>& mine, const std::optional<Error>& other) {
  if (!mine) mine = other;
}

}  // namespace

bool Transfer::is_hopeless() const { return unanswered >= most_at_once; }

void Transfer::add(const Transfer& share) {
  moved += share.moved;
  moved_bytes += share.moved_bytes;
  with_recipe += share.with_recipe;
  already_there += share.already_there;
  absent += share.absent;
  gone += share.gone;
  other_key += share.other_key;
  damaged += share.damaged;
  skipped += share.skipped;
  failed += share.failed;
  not_tried += share.not_tried;
  keep_first(too_large, share.too_large);
  keep_first(silence, share.silence);
  keep_first(refusal, share.refusal);
}

// All servers together are asked for as many as one alone: that many answers are held at once. A
// system that has no thread to give has the shares moved one after another.
std::vector<Fingerprint> move_in_batches(RemoteStore& tier, Batch entries, const char* label,
                                         Transfer& transfer, const Move& move) {
  Progress progress(label);
  progress.expect(entries.size());
  std::vector<Share> shares = shares_of(tier, entries);
  const std::size_t most =
      std::max<std::size_t>(most_at_once / std::max<std::size_t>(shares.size(), 1), 1);
  {
    std::vector<std::future<void>> others;
    for (std::size_t i = 1; i < shares.size(); ++i) {
      others.push_back(std::async([&, i] { move_share(shares[i], most, progress, move); }));
    }
    if (!shares.empty()) move_share(shares.front(), most, progress, move);
    for (std::future<void>& other : others) other.get();
  }
  std::vector<Fingerprint> left;
  for (const Share& share : shares) {
    transfer.add(share.transfer);
    left.insert(left.end(), share.left.begin(), share.left.end());
  }
  return left;
}

}  // namespace larder::cli
