// A block of a product of float matrices, written once. What and in which order: product.h.
//
// Both operands are packed: a in panels of kAttentionRows rows, element k of all of them together,
// b in panels of kAttentionVectors vectors. A panel of b stays in the nearest cache while those of
// a pass by. The tiles are those of attention.inl.

inline constexpr std::int64_t kPanelColumns = kAttentionVectors * kLanes;
static_assert(kPanelColumns <= kMostPanelColumns && kLanes % kAttentionRows == 0);

// Rows [row, row + count) of a, elements [k, k + depth), to panel[depth][kAttentionRows].
inline void pack_product_rows(const FloatMatrix& a, std::int64_t row, std::int64_t count,
                              std::int64_t k, std::int64_t depth, float* panel) {
  const float* from = a.data + row * a.row + k * a.column;
  if (a.row == 1) {
    for (std::int64_t i = 0; i < depth; ++i)
      std::memcpy(panel + i * kAttentionRows, from + i * a.column,
                  static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t i = 0; i < depth; ++i)
      panel[i * kAttentionRows + r] = from[r * a.row + i * a.column];
}

// Sixteen rows whose elements lie together, sixteen elements at a time; the rest of the depth too.
inline void pack_sixteen_rows(const FloatMatrix& a, std::int64_t row, std::int64_t k,
                              std::int64_t depth, float* panels) {
  const float* from = a.data + row * a.row + k;
  const std::int64_t whole = depth / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    Bytes columns[16];
    transpose(reinterpret_cast<const std::uint8_t*>(from + i),
              static_cast<std::size_t>(a.row) * sizeof(float), columns);
    for (std::int64_t c = 0; c < kLanes; ++c) {
      float lanes[kLanes];
      store_bytes(lanes, columns[c]);
      for (std::int64_t r = 0; r < kLanes; r += kAttentionRows)
        std::memcpy(panels + r * depth + (i + c) * kAttentionRows, lanes + r,
                    kAttentionRows * sizeof(float));
    }
  }
  for (std::int64_t r = 0; r < kLanes && whole < depth; r += kAttentionRows)
    pack_product_rows(a, row + r, kAttentionRows, k + whole, depth - whole,
                      panels + r * depth + whole * kAttentionRows);
}

// Columns [column, column + count) of b, elements [k, k + depth), to panel[depth][kPanelColumns],
// padded with zeros to whole vectors.
inline void pack_product_columns(const FloatMatrix& b, std::int64_t column, std::int64_t count,
                                 std::int64_t k, std::int64_t depth, float* panel) {
  const float* from = b.data + k * b.row + column * b.column;
  const std::int64_t padded = padded_to_lanes(count);
  for (std::int64_t i = 0; i < depth; ++i) {
    float* const to = panel + i * kPanelColumns;
    if (b.column == 1) {
      for (std::int64_t j = 0; j < count; j += kLanes)
        store(to + j, load_some(from + i * b.row + j, count - j < kLanes ? count - j : kLanes));
    } else {
      for (std::int64_t j = 0; j < count; ++j) to[j] = from[i * b.row + j * b.column];
      for (std::int64_t j = count; j < padded; ++j) to[j] = 0.0f;
    }
  }
}

// A panel of a times a panel of b. Columns that are no whole vector go through `edge`.
inline void multiply_panels(const Product& panels, std::int64_t rows, std::int64_t columns,
                            bool add_to_c, float* edge) {
  Product p = panels;
  const bool partial = columns % kLanes != 0;
  p.columns = padded_to_lanes(columns);
  if (partial) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t j = 0; j < p.columns; ++j)
        edge[r * kPanelColumns + j] = j < columns ? p.c[r * p.c_stride + j] : 0.0f;
    p.c = edge;
    p.c_stride = kPanelColumns;
  }
  if (add_to_c)
    product_rows<true, 1, kAttentionRows>(p, 0, rows);
  else
    product_rows<false, 1, kAttentionRows>(p, 0, rows);
  if (!partial) return;
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(panels.c + r * panels.c_stride, edge + r * kPanelColumns,
                static_cast<std::size_t>(columns) * sizeof(float));
}

void multiply_block(const FloatProduct& product, float* scratch) {
  float* const a = scratch;
  float* const b = a + kProductDepth * (kProductRows + kMostTileRows);
  float* const edge = b + kProductDepth * kMostPanelColumns;
  for (std::int64_t k = 0; k < product.depth; k += kProductDepth) {
    const std::int64_t left = product.depth - k;
    const std::int64_t depth = left < kProductDepth ? left : kProductDepth;
    std::int64_t packed = 0;
    if (product.a.column == 1)
      for (; packed + kLanes <= product.rows; packed += kLanes)
        pack_sixteen_rows(product.a, packed, k, depth, a + packed * depth);
    for (; packed < product.rows; packed += kAttentionRows) {
      const std::int64_t rest = product.rows - packed;
      pack_product_rows(product.a, packed, rest < kAttentionRows ? rest : kAttentionRows, k, depth,
                        a + packed * depth);
    }
    for (std::int64_t column = 0; column < product.columns; column += kPanelColumns) {
      const std::int64_t rest = product.columns - column;
      const std::int64_t columns = rest < kPanelColumns ? rest : kPanelColumns;
      pack_product_columns(product.b, column, columns, k, depth, b);
      for (std::int64_t row = 0; row < product.rows; row += kAttentionRows) {
        const std::int64_t below = product.rows - row;
        multiply_panels({.a = a + row * depth,
                         .step = kAttentionRows,
                         .b = b,
                         .b_stride = kPanelColumns,
                         .depth = depth,
                         .c = product.c + row * product.c_stride + column,
                         .c_stride = product.c_stride,
                         .columns = columns},
                        below < kAttentionRows ? below : kAttentionRows, columns,
                        product.add || k > 0, edge);
      }
    }
  }
}
