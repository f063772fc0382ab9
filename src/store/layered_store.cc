// Several stores as one, the fastest first.
//
// Concurrency: look-ups take no lock of this store. Writers to a fingerprint take its stripe, so
// that all tiers get their writes in the same order and end up with the same bytes. A promotion
// takes it too, and only writes when no write has ended since the look-up began: what was replaced
// or removed meanwhile does not come back. Listeners and visitors are called with no lock held.
//
// Crash: what a `behind` tier has not got yet is lost with the process; until then durability()
// says pending. An entry that flush names as lost has left the tier that lost it and every faster
// one, so that the next look-up does not find a copy that hides the loss; slower tiers keep theirs,
// and a promotion from there is a put that makes good the loss.
//
// Fork: a child starts with nothing queued, nothing lost, counters at zero. The parent writes what
// the parent has queued; not even the child's destructor does.
//
// Recipes: a promotion into a tier that outlives the process carries the recipe along, at the price
// of one inspect() of the source. Into memory it goes without: that copy dies with the process, and
// a hit should not be paid for twice; inspect() finds the recipe in the slower tier.
#include "store/layered_store.h"

#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "store/counters.h"

namespace larder {
namespace {

void count_failure(Stripe& stripe, Errc code) noexcept {
  const auto outcome = lookup_outcome(code);
  std::atomic<std::uint64_t>& counter = outcome == &Metrics::corrupt   ? stripe.corrupt
                                        : outcome == &Metrics::skipped ? stripe.skipped
                                                                       : stripe.io_errors;
  counter.fetch_add(1, std::memory_order_relaxed);
}

void count_hit(Stripe& stripe, std::uint64_t bytes) noexcept {
  stripe.hits.fetch_add(1, std::memory_order_relaxed);
  stripe.hit_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void count_absent(Stripe& stripe) noexcept {
  stripe.absent.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

LayeredStore::State::State(const LayeredStoreOptions& options) {
  layers.reserve(options.tiers.size());
  for (const Tier& tier : options.tiers) {
    layers.push_back(std::make_unique<Layer>(tier, options.behind_capacity_bytes));
  }
}

LayeredStore::LayeredStore(const LayeredStoreOptions& options)
    : options_{.tiers = options.tiers,
               .behind_capacity_bytes = options.behind_capacity_bytes,
               .on_promote = shielded(options.on_promote)},
      state_([this] { return std::make_unique<State>(options_); }) {}

Result<std::optional<Artifact>> LayeredStore::get(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<Artifact>> {
    Stripe& stripe = stripes().of(fingerprint);
    const std::uint64_t version = stripe.version.load(std::memory_order_acquire);
    std::size_t tier = 0;
    auto found = guarded([&] { return search(fingerprint, tier); });
    if (!found) {
      count_failure(stripe, found.error().code);
    } else if (!*found) {
      count_absent(stripe);
    } else {
      count_hit(stripe, (*found)->size());
      promote(fingerprint, **found, tier, version);
    }
    return found;
  });
}

// In the fastest tier that has it, which `tier` then names.
Result<std::optional<Artifact>> LayeredStore::search(const Fingerprint& fingerprint,
                                                     std::size_t& tier) {
  std::optional<Error> failure;
  for (tier = 0; tier < layers().size(); ++tier) {
    auto found = layers()[tier]->get(fingerprint);
    if (found && *found) return found;
    if (!found && !failure) failure = std::move(found).error();
  }
  if (failure) return std::unexpected(*std::move(failure));
  return std::nullopt;
}

// What a tier answers to those that are `pending`, by their place in `asked`; a tier that has no
// memory for its answers fails each of them.
std::vector<Lookup> LayeredStore::ask(std::size_t tier, std::span<const Fingerprint> asked,
                                      std::span<const std::size_t> pending) {
  std::vector<Fingerprint> fingerprints;
  fingerprints.reserve(pending.size());
  for (const std::size_t i : pending) fingerprints.push_back(asked[i]);
  auto answers = layers()[tier]->get_many(fingerprints);
  if (answers) return *std::move(answers);
  return std::vector<Lookup>(pending.size(), std::unexpected(answers.error()));
}

// One get_many of each tier, for what no faster one had.
Result<std::vector<Lookup>> LayeredStore::get_many(std::span<const Fingerprint> fingerprints) {
  return guarded([&]() -> Result<std::vector<Lookup>> {
    std::vector<Lookup> results(fingerprints.size());
    std::vector<std::uint64_t> versions;
    std::vector<std::size_t> pending;
    for (std::size_t i = 0; i < fingerprints.size(); ++i) {
      versions.push_back(stripes().of(fingerprints[i]).version.load(std::memory_order_acquire));
      pending.push_back(i);
    }
    for (std::size_t tier = 0; tier < layers().size() && !pending.empty(); ++tier) {
      auto answers = ask(tier, fingerprints, pending);
      std::vector<std::size_t> missing;
      for (std::size_t k = 0; k < pending.size(); ++k) {
        const std::size_t i = pending[k];
        const bool hit = answers[k] && *answers[k];
        if (hit) {
          count_hit(stripes().of(fingerprints[i]), (**answers[k]).size());
          promote(fingerprints[i], **answers[k], tier, versions[i]);
        } else {
          missing.push_back(i);
        }
        if (hit || (!answers[k] && results[i])) results[i] = std::move(answers[k]);
      }
      pending = std::move(missing);
    }
    for (const std::size_t i : pending) {
      Stripe& stripe = stripes().of(fingerprints[i]);
      results[i] ? count_absent(stripe) : count_failure(stripe, results[i].error().code);
    }
    return results;
  });
}

Result<bool> LayeredStore::contains(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    Stripe& stripe = stripes().of(fingerprint);
    auto there = guarded([&] { return search_whether(fingerprint); });
    if (!there) {
      count_failure(stripe, there.error().code);
    } else if (*there) {
      count_hit(stripe, 0);  // no bytes were returned
    } else {
      count_absent(stripe);
    }
    return there;
  });
}

Result<bool> LayeredStore::search_whether(const Fingerprint& fingerprint) {
  std::optional<Error> failure;
  for (const auto& layer : layers()) {
    auto there = layer->contains(fingerprint);
    if (there && *there) return true;
    if (!there && !failure) failure = std::move(there).error();
  }
  if (failure) return std::unexpected(*std::move(failure));
  return false;
}

bool LayeredStore::anything_to_promote_into(std::size_t from) const {
  return std::any_of(layers().begin(), layers().begin() + static_cast<std::ptrdiff_t>(from),
                     [](const auto& layer) { return layer->writable(); });
}

std::string LayeredStore::recipe_for_promotion(const Fingerprint& fingerprint, std::size_t from) {
  const bool wanted = std::any_of(
      layers().begin(), layers().begin() + static_cast<std::ptrdiff_t>(from),
      [](const auto& layer) { return layer->writable() && !layer->keeps_for_this_process_only(); });
  return wanted ? layers()[from]->recipe_of(fingerprint) : std::string();
}

// A promotion that runs out of memory is one that did not happen: the hit is served all the same.
void LayeredStore::promote(const Fingerprint& fingerprint, const Artifact& artifact,
                           std::size_t from, std::uint64_t version) noexcept {
  (void)guarded([&]() -> Result<void> {
    if (!anything_to_promote_into(from)) return {};
    const std::string recipe = recipe_for_promotion(fingerprint, from);
    std::vector<Promotion> done;
    {
      const StripePromotion promotion(stripes(), fingerprint, version);
      if (!promotion.allowed()) return {};
      done = copy_into_faster(
          {.fingerprint = fingerprint, .from_tier = from, .bytes = artifact.size()}, artifact,
          recipe);
    }
    for (const Promotion& promotion : done) {
      if (options_.on_promote) options_.on_promote(promotion);
    }
    return {};
  });
}

std::vector<Promotion> LayeredStore::copy_into_faster(const Promotion& promotion,
                                                      const Artifact& artifact,
                                                      std::string_view recipe) {
  std::vector<Promotion> done;
  for (std::size_t to = promotion.from_tier; to-- > 0;) {
    if (!layers()[to]->writable()) continue;
    const auto written = layers()[to]->write(promotion.fingerprint, artifact.bytes(),
                                             {.recipe = recipe}, Origin::promotion);
    if (written) state().promotions.fetch_add(1, std::memory_order_relaxed);
    done.push_back(promotion);
    done.back().to_tier = to;
    done.back().stored = written.has_value();
  }
  return done;
}

Result<std::shared_ptr<Store>> make_layered_store(const LayeredStoreOptions& options) {
  const bool complete =
      std::ranges::none_of(options.tiers, [](const Tier& tier) { return tier.store == nullptr; });
  if (options.tiers.empty() || !complete) {
    return std::unexpected(
        Error{.code = Errc::invalid_argument,
              .message = "a layered store needs at least one tier, and a store in each; add them"});
  }
  return guarded(
      [&]() -> Result<std::shared_ptr<Store>> { return std::make_shared<LayeredStore>(options); });
}

}  // namespace larder
