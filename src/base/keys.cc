#include "larder/keys.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/derived_keys.h"
#include "base/digest.h"
#include "base/guarded.h"

namespace larder {

struct Keys::Secrets {
  Secrets() = default;
  Secrets(const Secrets&) = delete;
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets() { ::explicit_bzero(secrets.data(), secrets.size() * sizeof(Secret)); }

  std::vector<Secret> secrets;
};

namespace {

// BLAKE3's key derivation keeps an id from telling anything of the keys, and these of each other.
constexpr std::string_view id_context = "larder 2026-11-26 key id v1";

std::uint64_t id_of(const Keys::Secret& secret) noexcept {
  const Digest digest =
      Hasher::derive(id_context).update(std::as_bytes(std::span(secret))).finish();
  const auto id = load_little<std::uint64_t>(reinterpret_cast<const std::byte*>(digest.data()));
  return id == 0 ? 1 : id;
}

std::unexpected<Error> invalid(std::string message) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::move(message)});
}

}  // namespace

Result<Keys> Keys::from_secrets(std::span<const Secret> secrets) {
  return guarded([&]() -> Result<Keys> {
    if (secrets.empty()) return invalid("no secret is given; make one with `larder key new FILE`");
    if (secrets.size() > most_secrets) {
      return invalid("more than " + std::to_string(most_secrets) +
                     " secrets; leave the oldest ones out");
    }
    auto kept = std::make_shared<Secrets>();
    kept->secrets.assign(secrets.begin(), secrets.end());
    Keys keys;
    keys.secrets_ = std::move(kept);
    std::vector<std::uint64_t> ids = keys.ids();
    std::ranges::sort(ids);
    if (std::ranges::adjacent_find(ids) != ids.end()) {
      return invalid("the same secret is given twice; leave one of the two out");
    }
    return keys;
  });
}

std::vector<std::uint64_t> Keys::ids() const {
  std::vector<std::uint64_t> ids;
  if (empty()) return ids;
  for (const Secret& secret : secrets_->secrets) ids.push_back(id_of(secret));
  return ids;
}

std::vector<DerivedKey> derive_keys(const Keys& keys, std::string_view context,
                                    std::span<const std::byte> scope) {
  if (keys.empty()) return {DerivedKey{}};
  std::vector<DerivedKey> derived;
  for (const Keys::Secret& secret : keys.secrets()->secrets) {
    Hasher hasher = Hasher::derive(context);
    hasher.update(std::as_bytes(std::span(secret))).update(scope);
    derived.push_back({.id = id_of(secret), .bytes = hasher.finish()});
  }
  return derived;
}

const DerivedKey* find_key(std::span<const DerivedKey> keys, std::uint64_t id) noexcept {
  const auto found = std::ranges::find(keys, id, &DerivedKey::id);
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace larder
