#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <vector>

#include "child.h"
#include "damage.h"
#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 1536;  // stays in one piece in every store
constexpr std::uint64_t present = 1;
constexpr unsigned hang_seconds = 5;

// What a trial's process tells by its exit code.
enum Sight : int {
  wrong = 1,         // bytes that were never put under that key
  right = 2,         // the entry's own
  missed = 4,        // the store says that there is none
  refused = 8,       // it says that something is wrong
  others_lost = 16,  // an entry that nothing was done to
};

enum class When { open, closed };  // is the store while the damage is done

struct Tally {
  int trials = 0, right = 0, missed = 0, refused = 0, wrong = 0, crashed = 0, hung = 0, others = 0;
};

struct Stage {
  const Context& context;
  const StoreKind& kind;

  std::span<const std::byte> payload(std::uint64_t index) const {
    return context.corpus.slice(index, size_bytes);
  }
};

using Ask = std::function<bool(BenchStore&, const Fingerprint&)>;

// What one look-up of a key shows; `expected` is null when it was never put.
int look(BenchStore& store, const Fingerprint& key, const std::span<const std::byte>* expected,
         const Ask& ask) {
  std::vector<std::byte> copy;
  store.copy_hits_to(&copy);
  int sight = missed;
  try {
    if (ask(store, key)) {
      sight = expected != nullptr && std::ranges::equal(copy, *expected) ? right : wrong;
    }
  } catch (const std::exception&) {
    sight = refused;
  }
  store.copy_hits_to(nullptr);
  return sight;
}

int look_at_all(const Stage& stage, BenchStore& store) {
  std::vector<Ask> asks = {[](BenchStore& s, const Fingerprint& key) { return s.get(key); }};
  if (stage.kind.has_view) {
    asks.emplace_back([](BenchStore& s, const Fingerprint& key) { return s.view(key); });
  }
  int seen = 0;
  for (const Ask& ask : asks) {
    const Fingerprint damaged = key_of(present, 0);
    const auto own = stage.payload(0);
    seen |= look(store, damaged, &own, ask);
    seen |= look(store, neighbour_of(damaged), nullptr, ask) & wrong;
    for (std::uint64_t index = 1; index < 3; ++index) {
      const auto payload = stage.payload(index);
      const int sight = look(store, key_of(present, index), &payload, ask);
      if (sight == wrong) seen |= wrong;
      if (sight != right) seen |= others_lost;
    }
  }
  return seen;
}

struct Trial {
  const Damage& damage;
  std::size_t variant;
  std::size_t limit;
  When when;
};

// In a process of its own: fills a new store, damages it, looks.
int run_trial(const Stage& stage, const std::string& directory, const std::string& outside,
              const Trial& trial) {
  auto store = stage.kind.open({.directory = directory});
  for (std::uint64_t index = 0; index < 3; ++index) {
    store->put(key_of(present, index), stage.payload(index));
  }
  store->settle();
  for (std::uint64_t index = 0; index < 3; ++index) store->get(key_of(present, index));
  if (trial.when == When::closed) store.reset();

  Scene scene = find_entries(stage.kind.name, directory, key_of(present, 0), stage.payload(0),
                             stage.payload(1));
  scene.outside = outside;
  if (trial.variant >= trial.damage.variants(scene, trial.limit)) return 0;
  trial.damage.apply(scene, trial.variant, trial.limit);

  try {
    if (trial.when == When::closed) store = stage.kind.open({.directory = directory});
  } catch (const std::exception&) {
    return refused | others_lost;
  }
  const int seen = look_at_all(stage, *store);
  (void)store.release();  // closing a damaged store is not the question
  return seen;
}

void count(const ChildStatus& status, Tally& tally) {
  if (status.end == ChildEnd::exited && status.exit_code == 0) return;  // no such variant
  ++tally.trials;
  if (status.end == ChildEnd::crashed) ++tally.crashed;
  if (status.end == ChildEnd::hung) ++tally.hung;
  if (status.end != ChildEnd::exited) return;
  const int seen = status.exit_code;
  if ((seen & wrong) != 0) {
    ++tally.wrong;
  } else if ((seen & refused) != 0) {
    ++tally.refused;
  } else {
    ++((seen & missed) != 0 ? tally.missed : tally.right);
  }
  if ((seen & others_lost) != 0) ++tally.others;
}

Tally run_damage(const Stage& stage, const Damage& damage) {
  const std::size_t limit = stage.context.is_quick() ? 12 : 256;
  Tally tally;
  for (const When when : {When::open, When::closed}) {
    for (std::size_t variant = 0; variant < limit; ++variant) {
      Workspace& workspace = stage.context.workspace;
      const std::string directory = workspace.make_folder(stage.kind.name);
      const std::string outside = workspace.make_folder("outside");
      const int before = tally.trials;
      const Trial trial = {damage, variant, limit, when};
      count(guarded([&] { return run_trial(stage, directory, outside, trial); }, hang_seconds),
            tally);
      if (tally.trials == before) break;
    }
  }
  return tally;
}

bool is_bad(const Tally& tally) { return tally.wrong + tally.crashed + tally.hung > 0; }

}  // namespace

Verdict run_detect(const Context& context) {
  Verdict verdict = Verdict::passed;
  context.report.note(fmt::format("{:<8}{:<10}{:<20}{:>7}{:>7}{:>8}{:>9}{:>7}{:>8}{:>6}{:>13}",
                                  "suite", "store", "damage", "trials", "right", "missed",
                                  "refused", "WRONG", "crashed", "hung", "others lost"));
  for (const StoreKind* kind : built_stores()) {
    const bool is_ours = kind->name == "pack" || kind->name == "file";
    if (!kind->on_disk || (context.is_quick() && !is_ours)) continue;
    for (const Damage& damage : damages()) {
      const Tally tally = run_damage({context, *kind}, damage);
      const bool fails = is_ours && (is_bad(tally) || tally.trials == 0);
      if (fails) verdict = Verdict::failed;
      context.report.note(fmt::format(
          "{:<8}{:<10}{:<20}{:>7}{:>7}{:>8}{:>9}{:>7}{:>8}{:>6}{:>13}{}", "detect", kind->name,
          damage.name, tally.trials, tally.right, tally.missed, tally.refused, tally.wrong,
          tally.crashed, tally.hung, tally.others, fails ? "  FAILED" : ""));
    }
  }
  return verdict;
}

}  // namespace larder::bench
