// The attributes of a remote tier, taken one by one by the protocol that knows them. What is left
// at the end is one that nobody knows.
#ifndef LARDER_STORE_REMOTE_ATTRIBUTES_H_
#define LARDER_STORE_REMOTE_ATTRIBUTES_H_

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "larder/error.h"

namespace larder {

class Attributes {
 public:
  explicit Attributes(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  std::optional<std::string> take(const std::string& name) {
    const auto at = values_.find(name);
    if (at == values_.end()) return std::nullopt;
    std::string value = std::move(at->second);
    values_.erase(at);
    return value;
  }

  Result<void> expect_none_left() const {
    if (values_.empty()) return {};
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = "@" + values_.begin()->first +
                                            " is no attribute of this protocol; docs/REMOTE.md "
                                            "lists them"});
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_ATTRIBUTES_H_
