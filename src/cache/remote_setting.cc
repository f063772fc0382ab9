// The grammar of LARDER_REMOTE: `URL [property[=value] ...] [@attribute=value ...]`, several tiers
// one after another. Words are separated by white space; %XX stands for a byte in an attribute's
// value.
#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "larder/config.h"
#include "larder/remote.h"
#include "os/environment.h"
#include "remote/url.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

std::unexpected<Error> wrong(std::string what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::move(what)});
}

struct Word {
  std::string_view name;  // of `name=value`; the whole word without `=`
  std::string_view value;
  bool has_value = false;
};

Word split(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {.name = text, .value = {}};
  return {.name = text.substr(0, equals), .value = text.substr(equals + 1), .has_value = true};
}

Result<void> read_flag(const Word& word, bool& flag) {
  if (word.has_value) return wrong(std::string(word.name) + " takes no value; leave it out");
  flag = true;
  return {};
}

Result<void> read_time(const Word& word, milliseconds& time) {
  const auto parsed = parse_duration_ms(word.value);
  constexpr std::uint64_t longest = 24ull * 3600 * 1000;
  if (!parsed || *parsed == 0 || *parsed > longest) {
    return wrong(std::string(word.name) + ": give a time from 1ms to 24h, with its unit");
  }
  time = milliseconds(*parsed);
  return {};
}

Result<void> read_write(const Word& word, RemoteWrite& write) {
  if (word.value == "sync") {
    write = RemoteWrite::sync;
  } else if (word.value == "async") {
    write = RemoteWrite::async;
  } else if (word.value == "off") {
    write = RemoteWrite::off;
  } else {
    return wrong("write: give sync, async or off");
  }
  return {};
}

// breaker=5/30s
Result<void> read_breaker(const Word& word, RemoteBreaker& breaker) {
  const std::size_t slash = word.value.find('/');
  const std::string_view number = word.value.substr(0, slash);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), breaker.failures);
  const bool is_number = error == std::errc() && end == number.data() + number.size();
  if (slash == std::string_view::npos || !is_number || breaker.failures == 0) {
    return wrong("breaker: write the failures in a row and the pause, as in breaker=5/30s");
  }
  return read_time({.name = word.name, .value = word.value.substr(slash + 1)}, breaker.pause);
}

Result<void> read_size(const Word& word, std::uint64_t& bytes) {
  const auto parsed = parse_size(word.value);
  if (!parsed) return wrong(std::string(word.name) + ": give a size, as in 64MiB");
  bytes = *parsed;
  return {};
}

// HOST or HOST(WEIGHT)
Result<RemoteShard> read_shard(std::string_view text) {
  const std::size_t bracket = text.find('(');
  RemoteShard shard{.host = std::string(text.substr(0, bracket))};
  if (bracket != std::string_view::npos) {
    const std::string_view number = text.substr(bracket + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), shard.weight);
    const bool is_whole = end + 1 == number.data() + number.size() && number.ends_with(')');
    if (error != std::errc() || !is_whole) shard.host.clear();
  }
  auto url = remote::parse_url("shard://" + shard.host);
  const bool is_place = url && !shard.host.empty() && url->path.empty() && url->user.empty() &&
                        url->others.empty() && !shard.host.contains('@');
  if (!is_place) {
    return wrong("shards: write host,host:port,host(weight), and no user; see @password-file");
  }
  return shard;
}

Result<void> read_shards(const Word& word, std::vector<RemoteShard>& shards) {
  for (std::string_view text = word.value;;) {
    const std::size_t comma = text.find(',');
    LARDER_TRY(auto shard, read_shard(text.substr(0, comma)));
    shards.push_back(std::move(shard));
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

struct Property {
  std::string_view name;
  Result<void> (*read)(const Word& word, RemoteSetting& setting);
};

constexpr Property properties[] = {
    {"read-only",
     [](const Word& word, RemoteSetting& setting) {
       bool read_only = false;
       auto read = read_flag(word, read_only);
       if (read_only) setting.store.access = Access::read_only;
       return read;
     }},
    {"required",
     [](const Word& word, RemoteSetting& setting) {
       bool required = false;
       auto read = read_flag(word, required);
       if (required) setting.required = Required::yes;
       return read;
     }},
    {"plaintext", [](const Word& word,
                     RemoteSetting& setting) { return read_flag(word, setting.store.plaintext); }},
    {"connect-timeout",
     [](const Word& word, RemoteSetting& setting) {
       return read_time(word, setting.store.timeouts.connect);
     }},
    {"data-timeout",
     [](const Word& word, RemoteSetting& setting) {
       return read_time(word, setting.store.timeouts.data);
     }},
    {"request-timeout",
     [](const Word& word, RemoteSetting& setting) {
       return read_time(word, setting.store.timeouts.request);
     }},
    {"remember-absent",
     [](const Word& word, RemoteSetting& setting) {
       return read_time(word, setting.store.remember_absent);
     }},
    {"shards", [](const Word& word,
                  RemoteSetting& setting) { return read_shards(word, setting.store.shards); }},
    {"min-cost",
     [](const Word& word, RemoteSetting& setting) { return read_time(word, setting.min_cost); }},
    {"max-entry-size",
     [](const Word& word, RemoteSetting& setting) {
       return read_size(word, setting.store.max_entry_bytes);
     }},
    {"breaker", [](const Word& word,
                   RemoteSetting& setting) { return read_breaker(word, setting.store.breaker); }},
    {"write",
     [](const Word& word, RemoteSetting& setting) { return read_write(word, setting.write); }},
    {"namespace",
     [](const Word& word, RemoteSetting& setting) -> Result<void> {
       setting.store.name_space = word.value;
       return {};
     }},
};

Result<void> read_property(const Word& word, RemoteSetting& setting) {
  const auto property = std::ranges::find(properties, word.name, &Property::name);
  if (property != std::end(properties)) return property->read(word, setting);
  std::string known;
  for (const Property& each : properties) known += " " + std::string(each.name);
  // It may be a secret in a wrong place, or the rest of an attribute's value.
  const bool is_behind_one = !setting.store.attributes.empty();
  return wrong("neither a URL (scheme://host[:port]/path) nor a property" +
               std::string(is_behind_one ? "; write %20 for a blank in a value" : "") +
               "; there are" + known);
}

// Of any protocol; open_remotes refuses those that are another one's. What they say is no secret.
constexpr std::string_view known_attributes[] = {"password-file",
                                                 "netrc-file",
                                                 "bearer-token-file",
                                                 "bearer-token-env",
                                                 "ca-file",
                                                 "database",
                                                 "endpoint",
                                                 "region",
                                                 "style",
                                                 "profile",
                                                 "credentials-file",
                                                 "source-provenance",
                                                 "device-compatibility"};

// What it says is the server's, and nobody's user or password.
Result<std::string> shown_endpoint(const std::string& value) {
  auto url = remote::parse_url(value);
  if (!url) return wrong("@endpoint: " + url.error().message);
  if (!url->user.empty()) {
    return wrong("@endpoint has a user in it; leave it out, and see @credentials-file");
  }
  return url->shown();
}

// What names no file and no variable may be a secret in a wrong place.
std::string shown_value(const std::string& name, const std::string& value,
                        std::string_view written) {
  const bool is_file = name.ends_with("-file");
  if (is_file && !value.starts_with('/')) return "(no-absolute-path)";
  if (name == "bearer-token-env" && !environment_variable(value.c_str())) return "(not-set)";
  return std::string(written);
}

// Neither a name that is not known nor its value is shown: it may be a secret in a wrong place.
Result<void> read_attribute(const Word& word, RemoteSetting& setting) {
  const std::string name(word.name.substr(1));
  if (name.empty() || !word.has_value) {
    return wrong("an attribute without a name or a value; write @attribute=value");
  }
  if (std::ranges::find(known_attributes, name) == std::end(known_attributes)) {
    std::string known;
    for (const std::string_view each : known_attributes) known.append(" @").append(each);
    return wrong("there is an attribute that Larder does not know; there are" + known);
  }
  auto value = remote::percent_decoded(word.value);
  if (!value) return wrong("a value of an attribute: " + value.error().message);
  std::string shown = shown_value(name, *value, word.value);
  if (name == "endpoint") {
    LARDER_TRY(shown, shown_endpoint(*value));
  }
  setting.store.attributes[name] = *std::move(value);
  setting.shown += " @" + name + "=" + shown;
  return {};
}

Result<RemoteSetting> read_url(std::string_view word) {
  auto url = remote::parse_url(word);
  if (!url) return std::unexpected(std::move(url).error());
  RemoteSetting setting;
  setting.store.url = word;
  setting.shown = url->shown();
  if (url->is_only_read()) setting.store.access = Access::read_only;
  return setting;
}

// No word is repeated but those that are known: a secret may stand in a wrong place.
std::string numbered(std::size_t number, const std::string& what) {
  return "word " + std::to_string(number) + ": " + what;
}

Result<void> read_word(std::string_view text, std::size_t number,
                       std::vector<RemoteSetting>& settings) {
  const Word word = split(text);
  const bool is_attribute = word.name.starts_with('@');
  if (!is_attribute && word.name.contains("://")) {
    auto setting = read_url(text);
    if (!setting) return wrong(numbered(number, setting.error().message));
    settings.push_back(*std::move(setting));
    return {};
  }
  if (settings.empty()) return wrong("the first word is no URL; write scheme://host[:port]/path");
  RemoteSetting& setting = settings.back();
  auto read = is_attribute ? read_attribute(word, setting) : read_property(word, setting);
  if (!read) return wrong(setting.shown + ": " + numbered(number, read.error().message));
  if (!is_attribute) setting.shown += " " + std::string(text);
  return {};
}

}  // namespace

Result<std::vector<RemoteSetting>> parse_remotes(std::string_view text) {
  return guarded([&]() -> Result<std::vector<RemoteSetting>> {
    constexpr std::string_view blank = " \t\r\n";
    std::vector<RemoteSetting> settings;
    for (std::size_t number = 1;; ++number) {
      text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
      if (text.empty()) break;
      const std::string_view word = text.substr(0, text.find_first_of(blank));
      LARDER_CHECK_OK(read_word(word, number, settings));
      text.remove_prefix(word.size());
    }
    if (settings.empty()) return wrong("there is no tier; write scheme://host[:port]/path");
    return settings;
  });
}

Result<std::vector<RemoteTier>> open_remotes(const std::vector<RemoteSetting>& settings,
                                             const OpenRemotesOptions& options) {
  return guarded([&]() -> Result<std::vector<RemoteTier>> {
    std::vector<RemoteTier> tiers;
    for (const RemoteSetting& setting : settings) {
      RemoteStoreOptions tier = setting.store;
      tier.state_directory = options.state_directory;
      tier.for_transfers = options.for_transfers;
      tier.keys = options.keys;
      LARDER_TRY(auto store, open_remote_store(tier));
      const bool reads = setting.store.access == Access::read_only;
      tiers.push_back({.store = std::move(store),
                       .write = reads ? RemoteWrite::off : setting.write,
                       .required = setting.required,
                       .min_cost = setting.min_cost});
    }
    return tiers;
  });
}

}  // namespace larder
