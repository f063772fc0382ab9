#include "tests/endurance/crash_history.h"

#include <string_view>

namespace larder {
namespace {

std::string_view name_of(Act act) noexcept {
  switch (act) {
    case Act::put_1_first: return "put(k1,v1)";
    case Act::put_1_second: return "put(k1,v2)";
    case Act::put_2_first: return "put(k2,v1)";
    case Act::flush: return "flush";
    case Act::evict: return "evict";
    case Act::remove_1: return "remove(k1)";
    case Act::close: break;
  }
  return "close";
}

}  // namespace

std::string describe(const History& history) {
  std::string text;
  for (const Step& step : history) {
    if (!text.empty()) text += "; ";
    text += std::to_string(step.process) + " " + std::string(name_of(step.act));
  }
  return text;
}

std::string describe(ValueSet values) {
  constexpr std::array<std::string_view, 4> names{"absent", "v1", "v2", "wrong bytes"};
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!values.contains(static_cast<Value>(i))) continue;
    if (!text.empty()) text += " or ";
    text += names[i];
  }
  return text.empty() ? "nothing" : text;
}

void Promises::may_put(std::size_t key, Value value) {
  allowed_[key].add(value);
  for (auto& process : since_) {
    if (process[key]) process[key]->add(value);
  }
}

void Promises::put(std::size_t process, std::size_t key, Value value) {
  since_[process][key] = ValueSet(value);
}

void Promises::may_leave(std::size_t key) { may_put(key, Value::absent); }

void Promises::removed(std::size_t key) { allowed_[key] = ValueSet(Value::absent); }

void Promises::flushed(std::size_t process) {
  for (std::size_t key = 0; key < key_count; ++key) {
    if (since_[process][key]) allowed_[key].keep(*since_[process][key]);
    since_[process][key].reset();
  }
}

void Promises::closed(std::size_t process) { since_[process].fill(std::nullopt); }

std::uint64_t Promises::hash() const {
  std::uint64_t hash = 0;
  const auto add = [&hash](ValueSet values) { hash = hash * 8 + values.bits(); };
  for (const ValueSet values : allowed_) add(values);
  return hash;
}

}  // namespace larder
