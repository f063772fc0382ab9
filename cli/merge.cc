#include "merge.h"

#include <algorithm>
#include <utility>

namespace larder::cli {
namespace {

bool has_good(Store& store, const Fingerprint& fingerprint) {
  const auto details = store.inspect(fingerprint);
  return details && *details;
}

class Merger {
 public:
  Merger(Store& from, Store& to, Recipes recipes) : from_(from), to_(to), recipes_(recipes) {}

  void copy(const Fingerprint& fingerprint) {
    if (has_good(to_, fingerprint)) {
      ++report_.already_there;
      return;
    }
    // A get alone would not see that the recipe is damaged.
    const auto details = from_.inspect(fingerprint);
    if (!details) return trouble(fingerprint, details.error());
    if (!*details) return;  // removed since it was listed
    const auto artifact = from_.get(fingerprint);
    if (!artifact) return trouble(fingerprint, artifact.error());
    if (!*artifact) return;
    put(fingerprint, **artifact, (*details)->recipe);
  }

  MergeReport take() { return std::move(report_); }

 private:
  void put(const Fingerprint& fingerprint, const Artifact& artifact, const std::string& recipe) {
    const bool drops = recipes_ == Recipes::drop && !recipe.empty();
    const auto stored = to_.put(fingerprint, artifact.bytes(), {.recipe = drops ? "" : recipe});
    if (!stored) {
      report_.refused.push_back({fingerprint, stored.error().message});
      return;
    }
    ++report_.copied;
    report_.copied_bytes += artifact.bytes().size();
    if (drops) ++report_.recipes_dropped;
  }

  void trouble(const Fingerprint& fingerprint, const Error& error) {
    auto& list = error.code == Errc::corrupt ? report_.damaged : report_.refused;
    list.push_back({fingerprint, error.message});
  }

  Store& from_;
  Store& to_;
  const Recipes recipes_;
  MergeReport report_;
};

}  // namespace

Result<void> list_by_last_use(Store& store, std::vector<EntryInfo>& entries) {
  auto visited = store.visit([&](const EntryInfo& entry) {
    entries.push_back(entry);
    return Visit::go_on;
  });
  std::ranges::stable_sort(entries, {}, &EntryInfo::last_used_s);
  return visited;
}

MergeReport merge(Store& from, Store& to, std::span<const EntryInfo> entries, Recipes recipes,
                  Progress& progress) {
  progress.expect(entries.size());
  Merger merger(from, to, recipes);
  std::uint64_t other_key = 0;
  for (const EntryInfo& entry : entries) {
    if (entry.other_key) {
      ++other_key;
    } else {
      merger.copy(entry.fingerprint);
    }
    progress.step();
  }
  MergeReport report = merger.take();
  report.other_key = other_key;
  return report;
}

}  // namespace larder::cli
