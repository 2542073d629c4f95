/** The mark and the name. */
export function Logo() {
  return (
    <span className="logo">
      <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
        <rect className="logo-ground" width="32" height="32" rx="9" />
        <path className="logo-wave" d="M10.5 21.5a8 8 0 0 1 0-11M21.5 10.5a8 8 0 0 1 0 11" />
        <circle className="logo-core" cx="16" cy="16" r="3.2" />
      </svg>
      <span className="logo-name">Runcast</span>
    </span>
  );
}
