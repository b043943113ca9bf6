#include "run/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lab {

namespace {

constexpr double width = 820;
constexpr double height = 420;
constexpr double left = 64;
constexpr double right = 190;  // the legend
constexpr double top = 40;
constexpr double bottom = 52;

struct coloured {
  std::string_view name;
  std::string_view colour;
};
constexpr std::array known = {
    coloured{"process", "#c0392b"},   coloured{"cluster", "#e67e22"},
    coloured{"prefork", "#b7950b"},   coloured{"thread", "#8e44ad"},
    coloured{"pool", "#d36fb0"},      coloured{"poll", "#7f8c8d"},
    coloured{"epoll", "#2c3e50"},     coloured{"epoll-per-core", "#1abc9c"},
    coloured{"callback", "#16a085"},  coloured{"asio-coroutine", "#a04000"},
    coloured{"io_uring", "#5d6d7e"},  coloured{"goroutine", "#1f6fd6"},
    coloured{"go", "#27ae60"},        coloured{"paper: C, fork", "#c0392b"},
    coloured{"paper: Go", "#27ae60"},
};

// colour_of: what stands after a comma tells how something was measured, not what.
std::string_view colour_of(std::string_view name) {
  name = name.substr(0, name.find(", by"));
  const auto* found =
      std::find_if(known.begin(), known.end(), [&](const coloured& c) { return c.name == name; });
  return found == known.end() ? "#555555" : found->colour;
}

// step_for: a round distance between marks, so that there are five to ten of them.
double step_for(double most) {
  const double rough = most / 6;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double times : {1.0, 2.0, 5.0, 10.0}) {
    if (rough <= times * power) return times * power;
  }
  return 10 * power;
}

// mark_text: a value at a mark, short enough to stand beside the axis.
std::string mark_text(double value) {
  if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

struct scale {
  double first_x;
  double last_x;
  double most_y;

  [[nodiscard]] double x(double value) const {
    const double all = std::max(std::log2(last_x / first_x), 1e-9);
    return left + std::log2(value / first_x) / all * (width - left - right);
  }
  [[nodiscard]] double y(double value) const {
    return height - bottom - value / most_y * (height - top - bottom);
  }
};

scale scale_of(const std::vector<series>& lines) {
  scale s{1e300, 1, 0};
  for (const auto& line : lines) {
    for (const auto& [x, y] : line.points) {
      s.first_x = std::min(s.first_x, x);
      s.last_x = std::max(s.last_x, x);
      s.most_y = std::max(s.most_y, y);
    }
  }
  if (s.first_x > s.last_x) s.first_x = 1;
  if (s.last_x <= s.first_x) s.last_x = s.first_x * 2;
  if (s.most_y <= 0) s.most_y = 1;
  const double step = step_for(s.most_y);
  s.most_y = std::ceil(s.most_y / step) * step;
  return s;
}

std::string axes(const scale& s, std::string_view x_label, std::string_view y_label) {
  std::string out;
  const double step = step_for(s.most_y);
  for (double value = 0; value <= s.most_y * 1.0001; value += step) {
    out += fmt::format(
        "<line x1='{0:.1f}' x2='{1:.1f}' y1='{2:.1f}' y2='{2:.1f}' class='grid'/>"
        "<text x='{3:.1f}' y='{4:.1f}' class='mark' text-anchor='end'>{5}</text>\n",
        left, width - right, s.y(value), left - 8, s.y(value) + 4, mark_text(value));
  }
  for (double value = s.first_x; value <= s.last_x * 1.0001; value *= 2) {
    out += fmt::format(
        "<line x1='{0:.1f}' x2='{0:.1f}' y1='{1:.1f}' y2='{2:.1f}' class='grid'/>"
        "<text x='{0:.1f}' y='{3:.1f}' class='mark' text-anchor='middle'>{4:.0f}</text>\n",
        s.x(value), top, height - bottom, height - bottom + 18, value);
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='label' text-anchor='middle'>{}</text>\n",
                     (left + width - right) / 2, height - 12, escape_html(x_label));
  out += fmt::format(
      "<text transform='translate(16,{:.1f}) rotate(-90)' class='label' "
      "text-anchor='middle'>{}</text>\n",
      (top + height - bottom) / 2, escape_html(y_label));
  return out;
}

// head: the beginning of a picture, with its title.
std::string head(std::string_view title, double picture_height) {
  return fmt::format(
      "<svg viewBox='0 0 {0} {1}' width='{0}' height='{1}' xmlns='http://www.w3.org/2000/svg' "
      "role='img'>\n<title>{2}</title>\n"
      "<style>text{{font:12px sans-serif;fill:#222}}.title{{font-weight:bold;font-size:14px}}"
      ".grid{{stroke:#ddd}}.mark{{fill:#555}}</style>\n"
      "<rect width='{0}' height='{1}' fill='#fff'/>\n"
      "<text x='{3:.1f}' y='22' class='title'>{2}</text>\n",
      width, picture_height, escape_html(title), left);
}

std::string value_text(double value) {
  return value < 1e4 ? fmt::format("{:.4g}", value) : fmt::format("{:.0f}", value);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string svg_plot(std::string_view title, std::string_view x_label, std::string_view y_label,
                     const std::vector<series>& lines) {
  const scale s = scale_of(lines);
  std::string out = head(title, height);
  out += axes(s, x_label, y_label);
  double legend_y = top + 6;
  for (const auto& line : lines) {
    if (line.points.empty()) continue;
    const auto colour = colour_of(line.name);
    const std::string_view dash = line.dashed ? " stroke-dasharray='6 4'" : "";
    std::string path;
    for (const auto& [x, y] : line.points) path += fmt::format("{:.1f},{:.1f} ", s.x(x), s.y(y));
    out += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='2'{}/>\n", path,
                       colour, dash);
    for (const auto& [x, y] : line.points)
      out += fmt::format(
          "<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}' stroke='{}'><title>{}: {:.0f}, {}"
          "</title></circle>\n",
          s.x(x), s.y(y), line.dashed ? "#fff" : colour, colour, escape_html(line.name), x,
          value_text(y));
    out += fmt::format(
        "<line x1='{0:.1f}' x2='{1:.1f}' y1='{2:.1f}' y2='{2:.1f}' stroke='{3}' "
        "stroke-width='2'{4}/><text x='{5:.1f}' y='{6:.1f}'>{7}</text>\n",
        width - right + 16, width - right + 44, legend_y, colour, dash, width - right + 52,
        legend_y + 4, escape_html(line.name));
    legend_y += 20;
  }
  return out + "</svg>\n";
}

std::string svg_bars(std::string_view title, std::string_view x_label, std::string_view y_label,
                     const std::vector<series>& lines) {
  constexpr double names = 130;
  constexpr double values = 90;
  constexpr double bar = 22;
  double most = 0;
  for (const auto& line : lines) {
    if (!line.points.empty()) most = std::max(most, line.points.front().second);
  }
  if (most <= 0) most = 1;
  const double all = top + bar * static_cast<double>(lines.size()) + 36;
  std::string out = head(title, all);
  double y = top;
  for (const auto& line : lines) {
    const double value = line.points.empty() ? 0 : line.points.front().second;
    const double length = value / most * (width - left - names - values);
    out += fmt::format(
        "<text x='{0:.1f}' y='{1:.1f}' text-anchor='end'>{2}</text>"
        "<rect x='{3:.1f}' y='{4:.1f}' width='{5:.1f}' height='{6:.1f}' fill='{7}'/>"
        "<text x='{8:.1f}' y='{1:.1f}' class='mark'>{9}</text>\n",
        left + names - 8, y + bar / 2 + 4, escape_html(line.name), left + names, y + 3, length,
        bar - 6, colour_of(line.name), left + names + length + 6, value_text(value));
    y += bar;
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='label'>{}; {}</text>\n", left + names,
                     y + 20, escape_html(y_label), escape_html(x_label));
  return out + "</svg>\n";
}

}  // namespace lab
