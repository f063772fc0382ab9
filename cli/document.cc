#include "document.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace larder::cli {
namespace {

// U+007F to U+009F, which a terminal may act upon: the library escapes those below U+0020 alone.
// The text is good UTF-8.
std::string without_controls(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x7f') {
      safe += "\\u007f";
      continue;
    }
    const auto second = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (text[i] != '\xc2' || second >= 0xa0) {
      safe += text[i];
      continue;
    }
    safe += "\\u00";
    safe += {digits[second >> 4], digits[second & 15]};
    ++i;
  }
  return safe;
}

}  // namespace

struct Document::Json {
  nlohmann::ordered_json value;
};

Document::Document(std::unique_ptr<Json> json) : json_(std::move(json)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::object() {
  return Document(std::make_unique<Json>(Json{nlohmann::ordered_json::object()}));
}

Document Document::list() {
  return Document(std::make_unique<Json>(Json{nlohmann::ordered_json::array()}));
}

Document& Document::set(std::string_view name, std::string_view value) {
  json_->value[std::string(name)] = std::string(value);
  return *this;
}

Document& Document::set(std::string_view name, std::uint64_t value) {
  json_->value[std::string(name)] = value;
  return *this;
}

Document& Document::set(std::string_view name, std::int64_t value) {
  json_->value[std::string(name)] = value;
  return *this;
}

Document& Document::set(std::string_view name, bool value) {
  json_->value[std::string(name)] = value;
  return *this;
}

Document& Document::set(std::string_view name, const Document& value) {
  json_->value[std::string(name)] = value.json_->value;
  return *this;
}

Document& Document::set_null(std::string_view name) {
  json_->value[std::string(name)] = nullptr;
  return *this;
}

Document& Document::append(const Document& value) {
  json_->value.push_back(value.json_->value);
  return *this;
}

Document& Document::append(std::string_view value) {
  json_->value.push_back(std::string(value));
  return *this;
}

void Document::print() const {
  const std::string text =
      without_controls(json_->value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) +
      "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace larder::cli
