// What every store can do by way of its get.
#include "larder/store.h"

#include <cstring>

#include "base/guarded.h"

namespace larder {

Result<std::optional<std::size_t>> Store::get_into(const Fingerprint& fingerprint,
                                                   std::span<std::byte> into) {
  return guarded([&]() -> Result<std::optional<std::size_t>> {
    auto found = get(fingerprint);
    if (!found) return std::unexpected(std::move(found).error());
    if (!*found) return std::nullopt;
    const auto bytes = (*found)->bytes();
    if (bytes.size() > into.size()) {
      return std::unexpected(Error{.code = Errc::too_large,
                                   .message = "the artifact has " + std::to_string(bytes.size()) +
                                              " bytes, the buffer " + std::to_string(into.size()) +
                                              "; call again with a larger one"});
    }
    if (!bytes.empty()) std::memcpy(into.data(), bytes.data(), bytes.size());
    return bytes.size();
  });
}

Result<std::vector<Lookup>> Store::get_many(std::span<const Fingerprint> fingerprints) {
  return guarded([&]() -> Result<std::vector<Lookup>> {
    std::vector<Lookup> answers;
    answers.reserve(fingerprints.size());
    for (const Fingerprint& fingerprint : fingerprints) answers.push_back(get(fingerprint));
    return answers;
  });
}

Result<bool> Store::contains(const Fingerprint& fingerprint) {
  auto found = get(fingerprint);
  if (!found) return std::unexpected(std::move(found).error());
  return found->has_value();
}

}  // namespace larder
