"""What the chat looks like; colours are the theme's, so that it works in the dark."""

CSS = """
/* The theme's quiet colour is too faint to read on its own backgrounds. */
#chat-main, #sources, #compare-sources, .yz-answer, #my-documents, #my-result, #chat-feedback {--body-text-color-subdued: color-mix(in srgb, var(--body-text-color) 72%, transparent);}
#chat-status p, #my-result p {margin: 0;}
#my-result:not(:has(p)) {display: none;}
.yz-talk {display: flex; flex-direction: column; gap: 10px; padding: 4px; height: 440px;
  overflow-y: auto; overscroll-behavior: contain;}
.yz-talk .message {flex: none; max-width: 92%; padding: 8px 12px; border-radius: 12px; line-height: 1.7;
  border: 1px solid var(--border-color-primary);}
.yz-talk .user {align-self: flex-end; background: var(--color-accent-soft);}
.yz-talk .bot {align-self: flex-start; background: var(--background-fill-secondary);}
.yz-empty {color: var(--body-text-color-subdued); text-align: center; padding: 24px 8px;}
.yz-body {white-space: pre-wrap; overflow-wrap: anywhere;}
.yz-notice {font-size: .88em; color: var(--body-text-color-subdued); overflow-wrap: anywhere; margin: 2px 0;}
.yz-quote {margin: 6px 0 2px; padding: 2px 0 2px 10px; border-left: 3px solid var(--color-accent); font-size: .92em;
  white-space: pre-wrap; overflow-wrap: anywhere;}
.yz-warning {color: var(--body-text-color); border-left: 3px solid #d97706; padding-left: 8px; margin: 4px 0;}
.yz-unsupported {text-decoration: underline wavy #d97706; text-underline-offset: 4px;}
.yz-why::after {content: "?"; font-size: .75em; font-weight: 700; vertical-align: super; margin-left: 2px;
  color: #d97706;}
.yz-cite, .yz-tool {cursor: pointer; font: inherit; line-height: 1.4; border: 1px solid var(--border-color-primary);
  border-radius: 6px; background: var(--block-background-fill); color: var(--body-text-color);}
.yz-cite {font-size: .82em; padding: 1px 6px; min-width: 28px; margin-right: 4px; color: var(--link-text-color); font-weight: 600;}
.yz-tool {font-size: .78em; padding: 2px 8px; margin-right: 4px; color: var(--body-text-color-subdued);}
.yz-cite:hover, .yz-tool:hover, .yz-tool[aria-pressed=true] {border-color: var(--color-accent);
  color: var(--body-text-color);}
:is(.yz-cite, .yz-tool, .yz-talk, .yz-card summary):focus-visible {outline: 3px solid var(--color-accent);
  outline-offset: 2px;}
.yz-tools:empty {display: none;}
.yz-tools {margin-top: 4px;}
.yz-sr {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;}
.yz-sources[hidden] {display: none;}
.yz-below {border-style: dashed;}
.yz-scale {position: relative;}
.yz-scale > i {position: absolute; top: -4px; bottom: -4px; width: 2px; background: var(--body-text-color);}
.yz-below .yz-scale > span {opacity: .45;}
.yz-own {font-size: .8em; font-weight: 600; border: 1px solid var(--color-accent); border-radius: 6px; padding: 0 5px;}
.yz-card mark.yz-lit {background: #fde047; color: #1c1917; outline: 2px solid #d97706;}
.yz-card.yz-active {border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent);}
.yz-card .yz-back {display: none; margin-top: 6px;}
.yz-card.yz-active .yz-back {display: inline-block;}
.yz-files {margin: 4px 0 8px; padding-left: 1.4em; list-style: disc; overflow-wrap: anywhere;}
#chat-main.yz-drop {outline: 3px dashed var(--color-accent); outline-offset: 4px; border-radius: 10px;}
@media (max-width: 480px) {
  .yz-talk .message {max-width: 98%;}
  .yz-cite, .yz-tool {padding: 4px 9px;}
}
"""
