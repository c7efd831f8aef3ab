/** Returns the groups of two or more members whose numbers are near those of the first of the group. */
export function alike(members: readonly (readonly ArrayLike<number>[])[]): number[][] {
  const norms = members.map((pieces) => pieces.reduce((sum, piece) => sum + squares(piece), 0));
  const groups: number[][] = [];
  members.forEach((pieces, member) => {
    const group = groups.find(([first]) =>
      within(members[first], pieces, 1e-6 * Math.max(norms[first], norms[member]))
    );
    if (group === undefined) groups.push([member]);
    else group.push(member);
  });
  return groups.filter(({ length }) => length > 1);
}

/**
 * Returns true if the squared distance is at most the limit. Most pairs already differ in their first few numbers, and
 * numbers that are not finite are never near.
 */
export function within(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[], limit: number): boolean {
  let distance = 0;
  for (let piece = 0; piece < a.length; piece++) {
    for (let at = 0; at < a[piece].length; at++) {
      distance += (a[piece][at] - b[piece][at]) ** 2;
      if (!(distance <= limit && distance < Infinity)) return false;
    }
  }
  return true;
}

/** Returns the sum of squares. */
export function squares(piece: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < piece.length; at++) sum += piece[at] ** 2;
  return sum;
}
