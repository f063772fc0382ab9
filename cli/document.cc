#include "document.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace larder::cli {

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
      json_->value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace larder::cli
