#include "run/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using testing::HasSubstr;
using testing::Not;

TEST(lab_plot, every_series_is_drawn_and_named_and_foreign_ones_are_dashed) {
  const auto svg = lab::svg_plot("title <1>", "x", "y",
                                 {{"epoll", false, {{1, 2}, {64, 30}}}, {"a&b", true, {{1, 3}}}});
  EXPECT_THAT(svg, HasSubstr("title &lt;1&gt;"));
  EXPECT_THAT(svg, HasSubstr(">epoll</text>"));
  EXPECT_THAT(svg, HasSubstr(">a&amp;b</text>"));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(lab_plot, large_values_are_marked_shortly) {
  const auto svg = lab::svg_plot("t", "x", "y", {{"p", false, {{1, 800'000}, {2, 2'000'000}}}});
  EXPECT_THAT(svg, HasSubstr(">500k</text>"));
  EXPECT_THAT(svg, HasSubstr(">2M</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("e+")));
}

TEST(lab_plot, a_bar_is_as_long_as_its_value) {
  const auto svg = lab::svg_bars("t", "64 of them", "us",
                                 {{"epoll", false, {{64, 50}}}, {"go", false, {{64, 100}}}});
  EXPECT_THAT(svg, HasSubstr(">epoll</text>"));
  EXPECT_THAT(svg, HasSubstr("width='268.0'"));
  EXPECT_THAT(svg, HasSubstr("width='536.0'"));
  EXPECT_THAT(lab::svg_bars("t", "x", "y", {{"p", false, {}}}), Not(HasSubstr("nan")));
}

TEST(lab_plot, nothing_and_zeros_make_a_plot_too) {
  for (const auto& lines :
       {std::vector<lab::series>{}, std::vector<lab::series>{{"p", false, {{4, 0}}}}}) {
    const auto svg = lab::svg_plot("t", "x", "y", lines);
    EXPECT_THAT(svg, HasSubstr("</svg>"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

}  // namespace
